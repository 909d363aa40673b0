"""The parts of the export step."""
