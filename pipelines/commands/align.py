"""Train the projector on captions (stage one)."""

import argparse

from pipelines.commands.training import add_arguments, run_step


def add(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    from components.align import align

    return run_step(options, "align", align)
