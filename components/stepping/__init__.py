"""What stands around every step: digests of inputs and outputs, the record, tracking."""
