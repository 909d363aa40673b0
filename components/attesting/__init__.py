"""Attestations: what a step says it made and from what, signed, in the formats of in-toto, SLSA and DSSE."""
