"""What the three training steps share: a recipe run in this process or by torchrun, its figures sent to MLflow."""

import json
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.tracking import Stream, streamed_figures
from voco_model.errors import VocoError
from voco_model.training.folder import LOG, RESULT, RunFolder
from voco_model.training.launching import find_place, run_ranks, torchrun_arguments
from voco_model.training.recipe import Recipe, Stage

LOOK_EVERY = 2.0
"""Seconds between two looks into the log of other processes."""


@dataclass(frozen=True)
class TrainConfig:
    """A recipe, and where this node stands among others."""

    recipe: Recipe
    hostfile: Path | None = None
    """The hosts of a run on several nodes, `host slots=8` a line; the first is where they meet."""
    host: str | None = None
    """What this machine is called there; None takes its host name."""
    resume: bool = True
    """Go on from the newest checkpoint of `recipe.out`; else that folder must be new."""


@dataclass(frozen=True)
class TrainOutcome:
    """How it ended."""

    code: int
    """0 when the model is there, 75 when the run was preempted and shall be started again."""
    result: dict[str, Any] | None
    """What `result.json` says, where the run ended well."""


def run_stage(stage: Stage, config: TrainConfig, stream: Stream | None = None) -> TrainOutcome:
    """Train; raises VocoError for mistakes that are seen before any process is started.

    stream: takes the figures; without one they become a run of their own in MLflow, where that is configured.
    """
    recipe = config.recipe
    check_stage(recipe, stage)
    _check_gpus(recipe)
    if stream is not None:
        code = _train(config, stream)
    else:
        settings = {"stage": stage, "variant": recipe.variant, "out": str(recipe.out)}
        settings["lr"] = str(recipe.optimiser.lr)
        with streamed_figures(f"{stage} {recipe.variant}", settings, experiment="training") as own:
            code = _train(config, own)
    return TrainOutcome(code, _result(recipe) if code == 0 else None)


def _train(config: TrainConfig, stream: Stream | None) -> int:
    """The exit status."""
    if config.recipe.device.processes > 1:
        return _by_torchrun(config, stream)
    _in_this_process(config, stream)
    return 0


def check_stage(recipe: Recipe, stage: Stage) -> None:
    """Refuse a recipe of another stage."""
    if recipe.stage != stage:
        command = recipe.stage.replace("_", "-")
        raise VocoError(f"the recipe is of the stage {recipe.stage}, not {stage}; run it with `voco {command}`")


def _check_gpus(recipe: Recipe) -> None:
    """A recipe for GPUs is refused where there are fewer, before anything is started."""
    device = recipe.device
    if device.gpu is None:
        return
    import torch

    found = torch.cuda.device_count()
    if found < device.gpus_per_node:
        raise VocoError(
            f"device wants {device.gpus_per_node} {device.gpu} on a node, this machine has {found or 'none'};"
            " run it where they are, see what it would do with --check, or take a recipe of tiny or small"
        )


def _in_this_process(config: TrainConfig, stream: Stream | None) -> None:
    from voco_model.training.progress import Report, show
    from voco_model.training.run import train

    print_line = show()

    def report(figures: Report) -> None:
        print_line(figures)
        if stream is not None:
            _send(stream, figures)

    train(config.recipe, report=report, resume=config.resume)


def _by_torchrun(config: TrainConfig, stream: Stream | None) -> int:
    from voco_model.training.recipe_keys import as_yaml

    place = find_place(config.recipe.device, config.hostfile, name=config.host)
    folder = RunFolder(config.recipe)
    folder.check(config.resume)
    with tempfile.TemporaryDirectory(prefix="voco-") as scratch:
        path = Path(scratch) / "recipe.yaml"
        path.write_text(as_yaml(config.recipe), encoding="utf-8")
        with followed(folder.path / LOG, stream if place.rank == 0 else None):
            return run_ranks(torchrun_arguments(place, path))


@contextmanager
def followed(log: Path, stream: Stream | None) -> Iterator[None]:
    """While it lasts, lines that are added to the log are sent on."""
    if stream is None:
        yield
        return
    read = log.stat().st_size if log.is_file() else 0
    ended = threading.Event()

    def follow() -> None:
        at, last = read, False
        while not last:
            last = ended.wait(LOOK_EVERY)
            at = _send_lines(log, at, stream)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _send_lines(log: Path, at: int, stream: Stream) -> int:
    """Send the whole lines after byte `at`; where the next one begins."""
    if not log.is_file():
        return at
    with open(log, "rb") as file:
        file.seek(at)
        for line in file:
            if not line.endswith(b"\n"):
                break
            _send(stream, json.loads(line))
            at += len(line)
    return at


def _send(stream: Stream, figures: Mapping[str, float | str]) -> None:
    numbers = {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
    stream(int(numbers.pop("step", 0)), numbers)


def _result(recipe: Recipe) -> dict[str, Any] | None:
    path = recipe.out / RESULT
    return json.loads(path.read_text("utf-8")) if path.is_file() else None
