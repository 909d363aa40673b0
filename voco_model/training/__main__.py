"""`python -m voco_model.training RECIPE.yaml`: one rank of a run; torchrun starts as many as there are."""

import argparse
import os
import sys
from pathlib import Path

from voco_model.errors import VocoError
from voco_model.training.preemption import PREEMPTED, Preempted

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells know it."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m voco_model.training", description="Run a recipe.")
    parser.add_argument("recipe", type=Path, help="the recipe as YAML")
    given = parser.parse_args()
    try:
        _run(given.recipe)
    except VocoError as error:
        _say(f"error: {error}")
        return 1
    except Preempted as stopped:
        _say(str(stopped))
        return PREEMPTED
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _say(text: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stderr)


def _run(path: Path) -> None:
    import torch

    from voco_model.training.progress import show
    from voco_model.training.recipe_files import load_recipe
    from voco_model.training.run import train

    try:
        train(load_recipe(path), report=show())
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
