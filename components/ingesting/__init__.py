"""The parts of the ingest step."""
