"""Real servers that integration tests start for themselves, on loopback, and end again."""
