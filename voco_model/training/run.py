"""One run of training, from a recipe to a model: `train(recipe)`. Every rank calls it."""

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments
from transformers.utils import logging

from voco_model.errors import VocoError
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.processor import VocoProcessor
from voco_model.training import zero
from voco_model.training.batches import Stream
from voco_model.training.building import HISTORY, Built, build
from voco_model.training.checkpoints import Checkpoints
from voco_model.training.determinism import same_every_time
from voco_model.training.folder import RunFolder, deciding, recipe_digest
from voco_model.training.memory import disk_need, part_sizes
from voco_model.training.preemption import Preemption
from voco_model.training.progress import Report
from voco_model.training.recipe import Recipe
from voco_model.training.stages import freeze, shows_voco
from voco_model.training.trainer import VocoTrainer, training_arguments


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended."""

    model: Path
    """The Hugging Face folder."""
    digest: str
    """Of the model: weights and configuration."""
    stage: str
    variant: str
    steps: int
    loss: float
    """Training loss over the last report."""
    validation_loss: float | None
    skipped: int
    """Steps that the guard did not take."""
    seconds: float
    figures: dict[str, float | str]
    """The last report."""


def train(
    recipe: Recipe,
    *,
    report: Callable[[Report], None] | None = None,
    resume: bool = True,
) -> TrainingResult:
    """Run a stage. A run that is finished already gives its result again.

    report: called with every progress report, on rank 0.
    resume: go on from `recipe.out`'s newest checkpoint; otherwise that folder must be new.

    Where SIGTERM ends it, the step is finished and saved, and `Preempted` leaves the process with status 75.
    """
    folder = RunFolder(recipe)
    folder.check(resume)
    args = training_arguments(recipe)
    _check_world(recipe, args)
    if finished := folder.result():
        return TrainingResult(**finished | {"model": Path(finished["model"])})
    with same_every_time(args.device.type), Preemption().watching() as preemption:
        return _train(recipe, args, folder, report, preemption)


def _train(
    recipe: Recipe,
    args: TrainingArguments,
    folder: RunFolder,
    report: Callable[[Report], None] | None,
    preemption: Preemption,
) -> TrainingResult:
    start = time.perf_counter()
    logging.disable_progress_bar()  # of loading and saving; ours says more
    with zero.whole_models():
        built, teacher = build(recipe), _teacher(recipe, args)
    freeze(built.model, recipe)
    _configure(built.model, recipe)
    _check_elastic(built.model, recipe)
    stream, validation = _streams(recipe, args, built.processor)
    steps = recipe.steps or math.ceil((recipe.epochs or 0) * stream.steps_per_pass)
    _schedule(args, recipe, steps)
    with args.main_process_first(local=False):
        if args.process_index == 0:
            folder.begin(disk_need(part_sizes(built.model, recipe), recipe))

    def tell(figures: Report) -> None:
        folder.log(figures)
        if report is not None:
            report(figures)

    trainer = VocoTrainer(built.model, args, recipe, stream, tell, validation, teacher)
    identity = {"recipe": deciding(recipe), "start_model": built.model.digest()}
    with trainer.saving_to(Checkpoints(folder.checkpoints, recipe.saving.keep), identity, preemption) as done:
        if args.process_index == 0:
            folder.tidy()
            folder.forget_after(done)
        trainer.train()
        if args.process_index == 0:
            digest = folder.save_model(lambda path: _write(path, recipe, built, trainer, steps))
            result = _result(recipe, folder, trainer, digest, steps, time.perf_counter() - start)
            folder.save_result(asdict(result) | {"model": str(result.model)})
        elif recipe.device.zero:
            zero.save_model(trainer.deepspeed, None)
        trainer.accelerator.wait_for_everyone()
    finished = folder.result()
    assert finished is not None
    return TrainingResult(**finished | {"model": Path(finished["model"])})


def _check_world(recipe: Recipe, args: TrainingArguments) -> None:
    if args.world_size != recipe.device.processes:
        raise VocoError(
            f"device says {recipe.device.nodes} x {recipe.device.gpus_per_node} processes, {args.world_size} run;"
            f" start it with `python -m torch.distributed.run --nproc-per-node {recipe.device.gpus_per_node} -m"
            " voco_model.training RECIPE`, or set device.gpus_per_node and device.nodes"
        )
    if recipe.device.gpu is not None and args.device.type != "cuda":
        raise VocoError(f"device.gpu is {recipe.device.gpu}, but no GPU is here; remove it to train on the CPU")


def _check_elastic(model: VocoForConditionalGeneration, recipe: Recipe) -> None:
    if (most := max(recipe.objective.elastic, default=0)) > model.config.n_voco:
        raise VocoError(
            f"objective.elastic draws {most} VoCo tokens, the model has {model.config.n_voco};"
            f" set start.n_voco to {most}, or leave that number out"
        )


def _configure(model: VocoForConditionalGeneration, recipe: Recipe) -> None:
    """How the model computes in training.

    A batch without pictures looks at a blank one, so that each micro batch gives every parameter a gradient: ranks
    run the same modules, Adam counts the same steps on any number of them, and ZeRO-3, which writes a step's first
    gradient and adds the others, does not add to what the step before left.
    """
    own: Any = model
    wanted = {
        "frames_at_once": recipe.objective.frames_at_once,
        "stop_gradient_at_caches": recipe.objective.stop_gradient,
        "always_see": True,
        "same_passes": recipe.device.processes > 1 or recipe.device.zero == 3,
    }
    for name, value in wanted.items():
        if hasattr(own, name):
            setattr(own, name, value)


def _streams(recipe: Recipe, args: TrainingArguments, processor: VocoProcessor) -> tuple[Stream, Stream | None]:
    """What is read in training, and for validation."""
    shown = processor
    if not shows_voco(recipe):
        shown = copy.copy(processor)
        shown.n_voco = 0
    place = {"seed": recipe.seed, "rank": args.process_index, "world_size": args.world_size}
    stream = Stream(recipe.data, shown, **place, parts=recipe.accumulation)
    if recipe.data.validation is None:
        return stream, None
    return stream, Stream(recipe.data, shown, **place, parts=recipe.accumulation, split=recipe.data.validation)


def _schedule(args: TrainingArguments, recipe: Recipe, steps: int) -> None:
    args.max_steps = steps
    args.warmup_steps = math.ceil(recipe.optimiser.warmup * steps)
    args.save_steps = recipe.saving.every or steps


def _teacher(recipe: Recipe, args: TrainingArguments) -> torch.nn.Module | None:
    path = recipe.objective.distillation.teacher
    if path is None or not recipe.objective.distillation.weight:
        return None
    if not (path / "config.json").is_file():
        raise VocoError(f"{path}: no config.json there; give objective.distillation.teacher a VoCo model's folder")
    teacher = VocoForConditionalGeneration.from_pretrained(path, dtype=torch.float32)
    return teacher.eval().requires_grad_(False).to(args.device)


def _write(path: Path, recipe: Recipe, built: Built, trainer: VocoTrainer, steps: int) -> str:
    """An ordinary Hugging Face folder, with the stages that the model has been through; its digest."""
    path.mkdir()
    if recipe.device.zero:
        digest = zero.save_model(trainer.deepspeed, path).digest
    else:
        built.model.save_pretrained(path)
        digest = built.model.digest()
    built.processor.save_pretrained(path)
    entry = {
        "stage": recipe.stage,
        "variant": recipe.variant,
        "steps": steps,
        "seed": recipe.seed,
        "recipe": recipe_digest(recipe),
        "parent": built.parent,
        "drawn": built.drawn,
        "model": digest,
    }
    history = {"stages": [*built.history, entry]}
    (path / HISTORY).write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    return digest


def _result(
    recipe: Recipe, folder: RunFolder, trainer: VocoTrainer, digest: str, steps: int, seconds: float
) -> TrainingResult:
    last = trainer.last
    return TrainingResult(
        model=folder.model,
        digest=digest,
        stage=recipe.stage,
        variant=recipe.variant,
        steps=steps,
        loss=float(last["loss"]),
        validation_loss=trainer.validation_loss,
        skipped=trainer.guard.skipped,
        seconds=seconds,
        figures=last,
    )
