"""Train language model, projector and VoCo embedding to answer through the rule (stage two)."""

import argparse

from pipelines.commands.training import add_arguments, run_step


def add(parser: argparse.ArgumentParser) -> None:
    add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    from components.instruct import instruct

    return run_step(options, "instruct", instruct)
