"""The subcommands of `voco`, one file each: `add` declares the arguments, `run` does the work."""
