"""What `voco align`, `voco instruct` and `voco continue-video` share."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.training import TrainConfig, TrainOutcome
    from voco_model.training.recipe import Stage

Step = Callable[["TrainConfig"], "TrainOutcome"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a training command."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="a recipe, such as those in pipelines/configs")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="a setting on top of the file, such as optimiser.lr=1e-4; the value is YAML; may stand again",
    )
    parser.add_argument("--keys", action="store_true", help="list all settings with their meaning, and stop")
    parser.add_argument("--print-config", action="store_true", help="print the recipe as resolved, and stop")
    parser.add_argument(
        "--check", action="store_true", help="say what would run and whether it fits the GPU; train nothing"
    )
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from the newest checkpoint of the recipe's out (default), or demand a new folder",
    )
    parser.add_argument(
        "--hostfile", type=Path, metavar="FILE", help="hosts of several nodes: `host slots=8` a line"
    )
    parser.add_argument("--host", metavar="NAME", help="what this machine is called in the hostfile")


def run_step(options: argparse.Namespace, stage: "Stage", step: Step) -> int:
    """Do what the options ask; the exit status.

    75 when the run was preempted and shall be started again; 1 when a check says that it would not fit.
    """
    from components.training import TrainConfig, check_stage
    from voco_model.training.recipe_files import load_recipe
    from voco_model.training.recipe_keys import as_yaml, describe_keys

    if options.keys:
        print(describe_keys())
        return 0
    recipe = load_recipe(options.config, options.settings)
    if options.print_config:
        print(as_yaml(recipe), end="")
        return 0
    from pipelines.commands.loading import quiet

    quiet()
    if options.check:
        from voco_model.training.foresight import foresee
        from voco_model.training.foresight_table import as_table

        check_stage(recipe, stage)
        seen = foresee(recipe)
        print(as_table(seen))
        return 1 if seen.verdict and not seen.verdict.fits else 0
    outcome = step(TrainConfig(recipe, options.hostfile, options.host, options.resume))
    if outcome.result is not None:
        print(f"{outcome.result['model']}: {outcome.result['digest'][:12]}, loss {outcome.result['loss']:.4f}")
    return outcome.code
