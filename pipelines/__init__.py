"""Chains of steps, and the `voco` command."""
