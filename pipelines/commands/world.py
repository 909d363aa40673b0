"""Make the small world: drawn pictures and clips of which every fact is known, in the real formats."""

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    summary = "Draw the world and write its training files and benchmarks."
    make = commands.add_parser("make", help=summary, description=summary)
    make.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    make.add_argument("--seed", type=int, required=True, help="the same seed gives the same bytes")
    make.add_argument("--images", type=int, default=2000, metavar="N", help="pictures for training")
    make.add_argument("--clips", type=int, default=200, metavar="M", help="clips for training")
    make.add_argument("--level", type=int, default=2, metavar="L", help="1 (a few things) to 4 (crowded)")
    make.add_argument("--workers", type=int, metavar="N", help="processes (default: one for each core)")
    make.set_defaults(run_world=run_make)
    summary = "Train the small vision encoder and language model that stand in for CLIP and Vicuna."
    base = commands.add_parser("base", help=summary, description=summary)
    base.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    base.add_argument("--seed", type=int, default=0, help="the same seed gives the same weights on one machine")
    base.add_argument(
        "--level", type=int, default=3, metavar="L", help="of the hardest scenes that they are made from"
    )
    base.add_argument("--scenes", type=int, default=2000, metavar="N", help="how many of them")
    base.add_argument(
        "--steps",
        type=int,
        default=400,
        metavar="N",
        help="of the language model; four times as many of the encoder",
    )
    base.set_defaults(run_world=run_base)


def run(options: argparse.Namespace) -> None:
    options.run_world(options)


def run_base(options: argparse.Namespace) -> None:
    from data.world.base import make_base
    from pipelines.commands.loading import quiet

    quiet()
    about = make_base(options.out, options.seed, options.level, options.scenes, options.steps)
    for model in ("vision", "language"):
        print(f"{options.out / model}: " + ", ".join(f"{k} {v}" for k, v in about[model].items() if k != "digest"))


def run_make(options: argparse.Namespace) -> None:
    from data.world.make import make_world

    world = make_world(
        options.out, options.seed, options.images, options.clips, options.level, workers=options.workers
    )
    for name, benchmark in world["benchmarks"].items():
        print(f"{name:<24} " + ", ".join(f"{key} {_short(value)}" for key, value in benchmark.items()))
    records = ", ".join(f"{n:,} {name}" for name, n in world["records"].items())
    print(f"{options.out}: {records}; a scene of level {world['level']} holds {world['bits']} bits")


def _short(value: object) -> str:
    """Figures to three places, and of a table its number of rows."""
    if isinstance(value, float):
        return f"{value:.3f}"
    return str(len(value)) if isinstance(value, dict) else str(value)
