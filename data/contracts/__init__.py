"""Contracts: what must hold for a data set before anything is trained on it, one contract for each kind."""
