"""Whether a model has earned promotion, and what the registry is told."""
