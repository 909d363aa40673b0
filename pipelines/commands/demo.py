"""Compress a picture, ask three questions from its cache alone, and print what that saved."""

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="where everything is written")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights")


def run(options: argparse.Namespace) -> None:
    from pipelines.demo import demonstrate

    demonstrate(options.out, options.seed)
