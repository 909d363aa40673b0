"""What the compression saves: bytes kept, operations, time."""
