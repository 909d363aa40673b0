"""What the export step is made of."""
