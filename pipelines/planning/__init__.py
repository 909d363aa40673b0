"""What a run would do, before it does anything: `voco dry-run`."""
