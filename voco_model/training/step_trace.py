"""What one forward and backward keeps and computes, seen by running the model's own code on tensors without data.

Nothing is allocated, so a 7B step is traced on a laptop. The decoder's layers are alike: two depths give them all.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from voco_model.config import VocoConfig
from voco_model.flops import CUSTOM, tower_forward
from voco_model.model import VocoForConditionalGeneration
from voco_model.training.recipe import Recipe
from voco_model.training.stages import freeze, reading_of, shows_voco, trained_parts
from voco_model.two_phase import Compressed

DEPTHS = (3, 4)
"""Phase 1 leaves out most of the last two layers; from three on, each layer adds the same."""
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class MicroBatch:
    """The sizes of what a device takes at once."""

    groups: int
    questions: int
    """Rows of a group."""
    pictures: int
    """Images or frames of a group."""
    text: int
    """Tokens of a row that are no picture's, the prefix among them."""
    labels: int
    """How many of them are learned."""

    @property
    def rows(self) -> int:
        return self.groups * self.questions


@dataclass(frozen=True)
class Trace:
    """Bytes kept for the backward, and operations; weights are not counted among the former."""

    pictures: float
    """Kept by projector and phase 1."""
    text: float
    """Kept by phase 2, or by the one causal pass."""
    operations: float
    """Of forward and backward, nothing computed twice."""
    layer_input: tuple[int, int] = (0, 0)
    """Bytes that enter a decoder layer, in phase 1 and in phase 2."""


@dataclass(frozen=True)
class StepTrace:
    """The whole model's step, and what one decoder layer adds to it."""

    whole: Trace
    layer: Trace


def trace_step(recipe: Recipe, config: VocoConfig, batch: MicroBatch) -> StepTrace:
    """Trace a micro batch of the recipe's stage. All decoder layers are taken to learn where some do."""
    shallow, deep = (_traced(recipe, config, batch, layers) for layers in DEPTHS)
    layer = Trace(
        deep.pictures - shallow.pictures,
        deep.text - shallow.text,
        deep.operations - shallow.operations,
        shallow.layer_input,
    )
    more = config.text_config.num_hidden_layers - DEPTHS[0]
    whole = Trace(
        shallow.pictures + more * layer.pictures,
        shallow.text + more * layer.text,
        shallow.operations + more * layer.operations,
    )
    return StepTrace(whole, layer)


def _traced(recipe: Recipe, config: VocoConfig, batch: MicroBatch, layers: int) -> Trace:
    config = copy.deepcopy(config)
    config.text_config.num_hidden_layers = layers
    known = 0
    if "tower" not in trained_parts(recipe):  # it keeps nothing, and its operations need no trace
        known = batch.groups * batch.pictures * tower_forward(config)
        config.vision_config.num_hidden_layers, config.vision_feature_layer = 1, -1
    # DeepSpeed computes in bf16 weights; without it, weights are float32 and products are cast.
    cast = recipe.device.precision == "bf16" and recipe.device.zero == 0
    weights = torch.float32 if cast else DTYPES[recipe.device.precision]
    with FakeTensorMode(), torch.autocast("cpu", torch.bfloat16, enabled=cast):
        model = VocoForConditionalGeneration._from_config(config, dtype=weights)
        freeze(model, recipe.model_copy(update={"language_layers": None}))
        kept = _Kept(model)
        with FlopCounterMode(display=False, custom_mapping=CUSTOM) as counter, kept.counting():
            passed = _forward(recipe, model, batch, kept)
            passed.logits.sum().backward()
    return Trace(
        passed.of_pictures, kept.bytes - passed.of_pictures, known + counter.get_total_flops(), passed.layer_input
    )


class _Passed(NamedTuple):
    logits: Tensor
    of_pictures: int
    """Bytes kept before the text was read."""
    layer_input: tuple[int, int]


def _forward(recipe: Recipe, model: VocoForConditionalGeneration, batch: MicroBatch, kept: "_Kept") -> _Passed:
    """The two phases as the model runs them, or its one causal pass, up to the logits at the labels."""
    config = model.config
    n_voco = config.n_voco if shows_voco(recipe) else 0
    pictures = batch.groups * batch.pictures
    shown = model.embed_images(_seen(recipe, config, pictures))
    block = torch.cat([shown.vision, shown.voco[:, :n_voco]], 1)
    text = model.get_input_embeddings()(torch.zeros(batch.rows, batch.text, dtype=torch.long))
    past, mask, entered = None, None, 0
    reading = reading_of(recipe) or config.reading
    # As in `seeing`: read causally, images are shared too where each opens its row and one process trains.
    shared = reading == "rule" or (batch.pictures == 1 and recipe.device.processes == 1)
    if not shared:
        inside = block.reshape(batch.groups, -1, block.shape[-1]).repeat_interleave(batch.questions, 0)
        text = torch.cat([text[:, :1], inside, text[:, 1:]], 1)
    elif pictures:
        prefix = model.get_input_embeddings()(torch.zeros(pictures, 1, dtype=torch.long))
        before = torch.cat([prefix, block], 1)
        entered = before.nbytes
        past = _compressed(model, before, batch, n_voco if reading == "rule" else block.shape[1])
        mask = text.new_zeros(batch.rows, 1, batch.text, past[0][0].shape[2] + batch.text)
    of_pictures = kept.bytes
    last = torch.arange(text.shape[1] - batch.labels, text.shape[1]).expand(batch.rows, -1)
    passed = model.decoder.run(text, _positions(text), mask, past, read=last)
    return _Passed(model.get_output_embeddings()(passed.hidden), of_pictures, (entered, text.nbytes))


def _seen(recipe: Recipe, config: VocoConfig, pictures: int) -> Tensor:
    """Pixels for a tower that learns; of one that does not, the features."""
    vision = config.vision_config
    if "tower" in trained_parts(recipe):
        return torch.empty(pictures, 3, vision.image_size, vision.image_size)
    whole = config.vision_feature_select_strategy == "full" and vision.model_type == "clip_vision_model"
    return torch.empty(pictures, config.n_patches + whole, vision.hidden_size)


def _compressed(
    model: VocoForConditionalGeneration, embeds: Tensor, batch: MicroBatch, n_kept: int
) -> list[tuple[Tensor, Tensor]]:
    """Phase 1: keys and values as each row of phase 2 reads them."""
    keep = torch.arange(embeds.shape[1] - n_kept, embeds.shape[1]).expand(len(embeds), -1)
    passed = model.decoder.run(embeds, _positions(embeds), keep=keep)
    layers = [(k.transpose(1, 2).flatten(0, 1), v.transpose(1, 2).flatten(0, 1)) for k, v in passed.kept]
    slots = torch.arange(len(embeds) * n_kept).reshape(batch.groups, -1).repeat_interleave(batch.questions, 0)
    return Compressed(layers, {}).at(slots)


def _positions(embeds: Tensor) -> Tensor:
    return torch.arange(embeds.shape[1]).expand(embeds.shape[0], -1)


class _Kept:
    """Bytes of the storages that autograd keeps, each counted once."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.bytes = 0
        self._known = {parameter.untyped_storage()._cdata for parameter in model.parameters()}

    @contextmanager
    def counting(self) -> Iterator[None]:
        with saved_tensors_hooks(self._pack, lambda tensor: tensor):
            yield

    def _pack(self, tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:
            self._known.add(storage._cdata)
            self.bytes += storage.nbytes()
        return tensor
