"""The subcommands of `voco`, one file each: `add` declares the arguments, `run` does the work.

What is slow to import is imported inside `run`, so that `voco --help` is quick.
"""
