"""Measure what VoCo tokens save: bytes, operations and time against no cache and a full cache."""

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="a folder that training or save_pretrained wrote")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where efficiency.json and .md go")
    parser.add_argument(
        "--n-voco", type=int, action="append", metavar="N", help="may stand again (default: 1, all)"
    )
    parser.add_argument("--repeats", type=int, default=10, metavar="R", help="of each time (default: 10)")
    parser.add_argument("--tokens", type=int, default=8, metavar="T", help="of an answer (default: 8)")


def run(options: argparse.Namespace) -> None:
    from pipelines.commands.loading import quiet
    from voco_model.profiling.profile import MARKDOWN, Profiling, profile_model

    quiet()
    numbers = tuple(options.n_voco or ())
    profile_model(
        Profiling(options.model, options.out, n_voco=numbers, repeats=options.repeats, tokens=options.tokens)
    )
    print((options.out / MARKDOWN).read_text("utf-8").rstrip())
