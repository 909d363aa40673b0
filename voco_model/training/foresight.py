"""What a recipe would do, said before anything is done (`--check`). What is not here is not asked for."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voco_model.config import VocoConfig, preset
from voco_model.data.catalogue import MEDIA_KINDS, read_catalogue
from voco_model.data.loading import CHARACTERS_PER_TOKEN
from voco_model.data.manifest import MANIFEST_NAME
from voco_model.errors import VocoError
from voco_model.importing.source import described_by
from voco_model.model import VocoForConditionalGeneration
from voco_model.training.building import base_configs, config_for, history_of
from voco_model.training.gpus import Gpu, gpu_named
from voco_model.training.memory import (
    Need,
    PartSize,
    Verdict,
    activation_need,
    disk_need,
    part_sizes,
    state_need,
    verdict,
)
from voco_model.training.recipe import Part, Recipe
from voco_model.training.stages import check_order, shows_voco
from voco_model.training.step_trace import MicroBatch, trace_step

UTILISATION = 0.35
"""Of a GPU's bf16 peak, assumed: what well-kept 7B training reaches. A run reports its own."""


@dataclass(frozen=True)
class DataSize:
    """What is to be read, or is expected to be."""

    groups: int | None
    steps_per_pass: int | None
    text_length: int
    """Tokens of an average row, without its pictures'."""
    frames: int
    """Of a video, at most."""
    source: str


@dataclass(frozen=True)
class Foresight:
    """What would run."""

    recipe: Recipe
    shape_from: str
    parts: dict[Part, PartSize]
    data: DataSize
    batch: MicroBatch
    """The largest that a device may be given: every row as long as it may be."""
    steps: int | None
    tokens_per_step: int
    operations_per_step: float
    need: Need
    disk: int
    """Bytes of the run's folder."""
    gpu: Gpu | None
    verdict: Verdict | None

    @property
    def hours(self) -> float | None:
        """On the GPUs named, at the utilisation assumed."""
        if self.steps is None or self.gpu is None:
            return None
        speed = self.gpu.bf16 * UTILISATION * self.recipe.device.processes
        return self.steps * self.operations_per_step / speed / 3600


def foresee(recipe: Recipe) -> Foresight:
    """Everything `--check` says."""
    gpu = gpu_named(recipe.device.gpu) if recipe.device.gpu else None
    config, shape_from = shape_of(recipe)
    with torch.device("meta"):
        parts = part_sizes(VocoForConditionalGeneration(config), recipe)
    data = size_of_data(recipe)
    full = micro_batch(recipe, config, data)
    trace = trace_step(recipe, config, full)
    need = state_need(parts, recipe.device)
    need = Need(need.gpu | activation_need(recipe, config, full, trace), need.host)
    typical = micro_batch(recipe, config, data, data.text_length)
    micro_batches = recipe.accumulation * recipe.device.processes
    return Foresight(
        recipe=recipe,
        shape_from=shape_from,
        parts=parts,
        data=data,
        batch=full,
        steps=_steps(recipe, data),
        tokens_per_step=micro_batches * _tokens(recipe, config, typical),
        operations_per_step=micro_batches * trace_step(recipe, config, typical).whole.operations,
        need=need,
        disk=disk_need(parts, recipe),
        gpu=gpu,
        verdict=verdict(need, gpu, recipe) if gpu else None,
    )


def shape_of(recipe: Recipe) -> tuple[VocoConfig, str]:
    """The configuration that the recipe's model will have, and where it was read."""
    start = recipe.start
    if start.preset:
        return _fitted(preset(start.preset), recipe, []), f"start.preset {start.preset}"
    if start.checkpoint and (start.checkpoint / "config.json").is_file():
        with described_by(start.checkpoint / "config.json"):
            config = VocoConfig.from_pretrained(start.checkpoint, local_files_only=True)
        return _fitted(config, recipe, history_of(start.checkpoint)), str(start.checkpoint)
    if start.vision and start.language and _are_models(start.vision, start.language):
        tower, text = base_configs(start.vision, start.language)
        text.vocab_size += 1  # the VoCo token
        config = VocoConfig(vision_config=tower, text_config=text)
        return _fitted(config, recipe, []), f"{start.vision}, {start.language}"
    missing = start.checkpoint or f"{start.vision} or {start.language}"
    if recipe.expected.shape is None:
        raise VocoError(
            f"{missing}: no model there; name its place by start, or --set expected.shape=PRESET to go by that"
        )
    config = preset(recipe.expected.shape)
    return config_for(config, recipe, config.voco_token_id), (
        f"expected.shape {recipe.expected.shape} ({missing} is not here, not checked)"
    )


def _fitted(config: VocoConfig, recipe: Recipe, history: list[dict[str, Any]]) -> VocoConfig:
    check_order(recipe, history)
    return config_for(config, recipe, config.voco_token_id)


def _are_models(*folders: Path) -> bool:
    return all((folder / "config.json").is_file() for folder in folders)


def size_of_data(recipe: Recipe) -> DataSize:
    """From the manifests where they are here, else from what the recipe expects."""
    data, expected = recipe.data, recipe.expected
    frames = data.n_frames or expected.frames or 1
    missing = [str(folder) for folder in data.folders if not (folder / MANIFEST_NAME).is_file()]
    if missing:
        return DataSize(
            groups=expected.groups,
            steps_per_pass=math.ceil(expected.groups / data.batch_size) if expected.groups else None,
            text_length=expected.text_length or data.max_length or 512,
            frames=frames,
            source=f"not here, not checked: {', '.join(missing)}",
        )
    groups, lengths = [], []
    for folder in data.folders:
        catalogue = read_catalogue(folder, data.split)
        records = np.unique(catalogue.media, return_counts=True)[1]
        groups.append(int(np.ceil(records / data.questions_per_image).sum()))
        lengths.append(catalogue.text_lengths / CHARACTERS_PER_TOKEN)
        videos = catalogue.kinds == MEDIA_KINDS.index("video")
        if data.fps and videos.any():
            frames = max(frames, math.ceil(catalogue.durations[videos].max() * data.fps))
    return DataSize(
        groups=sum(groups),
        steps_per_pass=sum(math.ceil(n / data.batch_size) for n in groups),
        text_length=max(2, round(float(np.concatenate(lengths).mean()))),
        frames=frames,
        source=", ".join(map(str, data.folders)),
    )


def micro_batch(recipe: Recipe, config: VocoConfig, data: DataSize, text: int | None = None) -> MicroBatch:
    """What a device is given at once; by default with rows as long as they may be."""
    share = recipe.data.batch_size // recipe.device.processes
    pictures = data.frames if recipe.stage == "continue_video" else 1
    places = config.n_voco if shows_voco(recipe) else 0
    if config.positions == "layout":
        places += config.n_vision
    longest = min(recipe.data.max_length or config.window, config.window) - pictures * places
    if longest < 2:
        raise VocoError(
            f"{pictures} pictures take {pictures * places} positions, and data.max_length with the model's window"
            f" leaves {longest} for text; take fewer frames or VoCo tokens, or start.options.positions=compact"
        )
    text = longest if text is None else min(max(text, 2), longest)
    groups = recipe.data.micro_batch or share
    return MicroBatch(groups, recipe.data.questions_per_image, pictures, text, text - 1)


def _steps(recipe: Recipe, data: DataSize) -> int | None:
    if recipe.steps is not None:
        return recipe.steps
    return math.ceil((recipe.epochs or 0) * data.steps_per_pass) if data.steps_per_pass else None


def _tokens(recipe: Recipe, config: VocoConfig, batch: MicroBatch) -> int:
    """Positions that a micro batch computes."""
    block = config.n_vision + (config.n_voco if shows_voco(recipe) else 0)
    return batch.groups * batch.pictures * block + batch.rows * batch.text
