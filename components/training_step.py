"""The three training steps as a pipeline runs them: a section of parameters on top of a shipped recipe."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.shipped import recipe_path
from components.stepping.job import Done, Job
from components.tracking import Stream
from components.training import TrainConfig, TrainOutcome, check_stage, run_stage
from data.world.base import READY_MADE
from voco_model.errors import VocoError
from voco_model.training.recipe import Recipe, Stage

SHORT = {
    "lr": "optimiser.lr",
    "steps": "steps",
    "epochs": "epochs",
    "seed": "seed",
    "n_voco": "start.n_voco",
    "batch_size": "data.batch_size",
    "questions_per_image": "data.questions_per_image",
    "n_frames": "data.n_frames",
    "variant": "variant",
}
"""What a section may say, and the recipe's key that it stands for; `set` takes any other key."""
SMALL_WORLD = "small-world"
"""As `base`: the models in the places of CLIP and Vicuna that come with the project."""


def recipe_of(stage: Stage, job: Job) -> Recipe:
    """The recipe that a section means, on the data and weights that the job has."""
    from voco_model.training.recipe_files import load_recipe

    job.check_settings({*SHORT, "recipe", "set", "base"})
    path = recipe_path(str(job.setting("recipe", "")), job.task)
    plain = load_recipe(path)
    given: dict[str, Any] = {SHORT[key]: value for key, value in job.settings.items() if key in SHORT}
    given |= job.setting("set", {})
    given["out"] = str(job.work / "run")
    given["data.folders"] = [str(_here(job, "data") / folder.name) for folder in plain.data.folders]
    given |= _start(stage, job)
    recipe = load_recipe(path, [f"{key}={_as_yaml(value)}" for key, value in given.items()])
    if recipe.stage != stage:
        raise VocoError(f"{job.task}: {path.name} is a recipe of the stage {recipe.stage}; give one of {stage}")
    return recipe


def train_step(stage: Stage, job: Job) -> Done:
    """Train; the model becomes the output. What was begun and saved in the job's work folder is gone on with."""
    recipe = recipe_of(stage, job)
    outcome = _trained(stage, TrainConfig(recipe), _with_share(job, recipe))
    if outcome.code:
        raise SystemExit(outcome.code)
    assert outcome.result is not None
    shutil.copytree(outcome.result["model"], job.outputs["model"])
    names = ("loss", "validation_loss", "skipped", "steps")
    return Done({name: float(outcome.result[name]) for name in names if outcome.result.get(name) is not None})


def _trained(stage: Stage, config: TrainConfig, stream: Stream) -> TrainOutcome:
    """Here, or, where the step's pod was given several nodes, there."""
    from components.train_job import node_resources, run_train_job

    if (nodes := node_resources()) is None:
        return run_stage(stage, config, stream)
    check_stage(config.recipe, stage)
    return run_train_job(config, nodes, stream)


def _here(job: Job, name: str) -> Path:
    """The input by a name that every try of the same work has: what it leads to lies elsewhere in each run."""
    link = job.work / name
    job.work.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(job.input(name).absolute())
    return link


def _start(stage: Stage, job: Job) -> dict[str, str]:
    if stage != "align":
        return {"start.checkpoint": str(_here(job, "start"))}
    base = job.setting("base")
    if base is None:
        return {}
    folder = READY_MADE if base == SMALL_WORLD else Path(base)
    return {"start.vision": str(folder / "vision"), "start.language": str(folder / "language")}


def _with_share(job: Job, recipe: Recipe) -> Callable[[int, Mapping[str, float]], None]:
    """Figures go on with how much of the run is done."""

    def tell(step: int, figures: Mapping[str, float]) -> None:
        total = recipe.steps or figures.get("steps") or 0
        job.tell(step, {**figures, "share": step / total} if total else figures)

    return tell


def _as_yaml(value: Any) -> str:
    """As `--set` reads it back."""
    import yaml

    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").strip()
