"""A run's lineage: written once, checked as often as somebody asks."""
