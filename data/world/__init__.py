"""The small world: drawn scenes and clips of which every fact is known, written in the real formats."""
