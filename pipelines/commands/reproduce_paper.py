"""Train and measure the paper's comparison on the small world, and print its tables."""

import argparse
from pathlib import Path

from voco_model.errors import VocoError


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="tiny", help="tiny (minutes) or paper (an hour, three seeds)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: runs/paper/PROFILE; goes on from there")
    parser.add_argument(
        "--base", type=Path, metavar="DIR", help="base models (default: those kept with the world)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="how many; trained side by side into one DIR, they are read from there",
    )


def run(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from components.reproducing.clips import video_profile_named
    from components.reproducing.profiles import profile_named
    from components.reproducing.run import reproduce
    from data.world.base import READY_MADE
    from pipelines.commands.loading import quiet
    from voco_model.evaluation.tables import show

    quiet()
    profile = profile_named(options.profile)
    if options.seeds is not None and options.seeds < 1:
        raise VocoError(f"--seeds is {options.seeds}; give 1 or more")
    profile = replace(profile, seeds=options.seeds or profile.seeds)
    video = video_profile_named(profile.name) if profile.baselines else None
    out = options.out or Path("runs/paper") / profile.name
    figures = reproduce(profile, options.base or READY_MADE, out, options.seed, print, video)
    print(f"\n{show(figures)}\n\n{out / 'tables.json'}")
