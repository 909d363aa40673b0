"""Contracts over data sets, DVC pointers to them, and the small world: generated data in the real formats."""
