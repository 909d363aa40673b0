"""Say what a run would do, where, for how long and at what price; start nothing."""

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    pass


def run(options: argparse.Namespace) -> None:
    pass
