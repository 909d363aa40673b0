"""What `voco doctor` looks at: each check says what it found and, where something is wrong, the way out."""
