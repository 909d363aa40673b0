"""Which tensor of a checkpoint goes where, and what to say when one is missing, misshapen or unknown."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from voco_model.config import VocoConfig
from voco_model.errors import VocoError
from voco_model.importing.options import EMBEDDINGS, Tower
from voco_model.importing.source import Weights, described_by
from voco_model.model import VocoForConditionalGeneration

MOST_LISTED = 10
COMPRESSOR = "compressor.embedding.weight"

_HEAD = "lm_head.weight"
_TOWER = "vision_tower.tower."
_AFTER_TOWER = "post_layernorm."
_PREFIXES = {"language_model.": "", "projector.": "model.mm_projector."}
_BUFFER = re.compile(r"(^|\.)(rotary_emb\.inv_freq|position_ids)$")
_TEXT_SIDE = ("text_model.", "text_projection.", "visual_projection.", "logit_scale")
_LAYER = re.compile(r"(?<=\blayers\.)\d+(?=\.)")


@dataclass
class Match:
    """Of every parameter of our model, the tensor that it gets; and why the others go nowhere."""

    found: dict[str, tuple[Weights, str]] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)


def match(config: VocoConfig, weights: Weights, tower: Tower) -> Match:
    """Hold the checkpoint to our model, name by name and shape by shape; refuses what does not fit."""
    result, missing, misshapen, odd = Match(), [], [], []
    for target, shape in _expected(config, weights).items():
        source, name = _source_of(target, weights, tower)
        if name not in source:
            missing.append(name)
        elif source.shape(name) != shape:
            misshapen.append(f"{name} is {source.shape(name)}, not {shape}")
        result.found[target] = source, name
    taken = {(source.folder, name) for source, name in result.found.values()}
    for source in {weights.folder: weights, tower.weights.folder: tower.weights}.values():
        for name in source:
            if (source.folder, name) not in taken:
                reason = _why_unused(name, config, source, tower)
                if reason is None:
                    odd.append(name)
                else:
                    result.unused[name] = reason
    _refuse(weights, {"missing": missing, "of another shape": misshapen, "odd": odd})
    return result


def _expected(config: VocoConfig, weights: Weights) -> dict[str, tuple[int, ...]]:
    """The shapes of the parameters that a checkpoint must have."""
    with described_by(weights.folder / "config.json"), torch.device("meta"):
        shapes = {n: tuple(p.shape) for n, p in VocoForConditionalGeneration(config).state_dict().items()}
    tied = f"language_model.{_HEAD}" if config.tie_word_embeddings else None
    apart = (COMPRESSOR, tied)
    return {n: s for n, s in shapes.items() if n not in apart and not n.startswith(_TOWER + _AFTER_TOWER)}


def _source_of(target: str, weights: Weights, tower: Tower) -> tuple[Weights, str]:
    if target.startswith(_TOWER):
        return tower.weights, tower.prefix + target.removeprefix(_TOWER)
    ours = next(prefix for prefix in _PREFIXES if target.startswith(prefix))
    return weights, _PREFIXES[ours] + target.removeprefix(ours)


def _why_unused(name: str, config: VocoConfig, source: Weights, tower: Tower) -> str | None:
    """Why a tensor that goes nowhere is no surprise; None where it is one."""
    if _BUFFER.search(name):
        return "computed from the configuration"
    if source is not tower.weights or not name.startswith(tower.prefix):
        return _why_unused_beside_tower(name, config, source)
    inner = name.removeprefix(tower.prefix)
    layer = _LAYER.search(inner)
    if layer and config.vision_depth <= int(layer[0]) < tower.config.num_hidden_layers:
        return "a layer of the tower above the one that is read"
    if inner.startswith(_AFTER_TOWER):
        return "stands after the tower's layer that is read"
    return _why_unused_beside_tower(name, config, source)


def _why_unused_beside_tower(name: str, config: VocoConfig, source: Weights) -> str | None:
    if name.startswith(_TEXT_SIDE):
        return "belongs to CLIP's text side"
    if name == _HEAD and config.tie_word_embeddings and EMBEDDINGS in source:
        return _why_unused_head(source)
    return None


def _why_unused_head(source: Weights) -> str | None:
    same = source.shape(_HEAD) == source.shape(EMBEDDINGS)
    same = same and torch.equal(source.tensor(_HEAD), source.tensor(EMBEDDINGS))
    return "the same as the embeddings" if same else None


def _refuse(weights: Weights, problems: dict[str, list[str]]) -> None:
    parts = [f"{len(keys)} {what}: {_listed(keys)}" for what, keys in problems.items() if keys]
    if parts:
        raise VocoError(f"{weights.folder} does not fit its configuration; keys {'; '.join(parts)}")


def _listed(keys: list[str]) -> str:
    shown = [key if key.isprintable() else ascii(key) for key in sorted(keys)[:MOST_LISTED]]
    return ", ".join(shown) + (" and more" if len(keys) > MOST_LISTED else "")


def neutral(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The norm after the tower, which our tower has a place for and nobody reads: it changes nothing."""
    name, like = _TOWER + _AFTER_TOWER, state[f"{_TOWER}pre_layrnorm.weight"]
    return {f"{name}weight": torch.ones_like(like), f"{name}bias": torch.zeros_like(like)}


def grouped(names: Iterable[str]) -> list[str]:
    """Names that differ in the layer only, as one: `layers.{0..31}.norm.weight (32)`."""
    groups: dict[str, list[int]] = {}
    for name in names:
        layer = _LAYER.search(name)
        numbers = groups.setdefault(_LAYER.sub("{}", name), [])
        numbers += [int(layer[0])] if layer else []
    return [name.replace("{}", _span(sorted(n))) + f" ({len(n)})" * (len(n) > 1) for name, n in groups.items()]


def _span(numbers: list[int]) -> str:
    if len(numbers) < 2:
        return "".join(map(str, numbers))
    gapless = numbers[-1] - numbers[0] + 1 == len(numbers)
    return f"{{{numbers[0]}..{numbers[-1]}}}" if gapless else "{" + ",".join(map(str, numbers)) + "}"
