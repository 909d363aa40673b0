"""Go on from the instruct weights on videos, some VoCo tokens for each frame (stage three)."""

import argparse

from pipelines.commands.training import add_arguments, run_step


def add(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    from components.continue_video import continue_video

    return run_step(options, "continue_video", continue_video)
