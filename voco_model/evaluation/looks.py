"""What a report shows beside figures: answers with their pictures, where VoCo tokens look, what a probe reads.

It is found while the model and the benchmark's pictures are at hand, and kept beside the result as `looks.json`.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from voco_model.assistant import Assistant
from voco_model.errors import VocoError
from voco_model.evaluation.attention_maps import has_patches, voco_attention
from voco_model.evaluation.gallery import Card, data_uri, encoded, gallery
from voco_model.evaluation.journal import question_key
from voco_model.evaluation.probing import Probed
from voco_model.evaluation.questions import Question
from voco_model.evaluation.readable import Readable, readable
from voco_model.evaluation.scoring import Result
from voco_model.evaluation.showing import Shown, medium_of
from voco_model.evaluation.statistics import Interval
from voco_model.training.determinism import same_every_time

LOOKS, FORMAT = "looks.json", 1
PICTURES = 3
"""Pictures whose attention is shown."""
TOKENS = 8
"""VoCo tokens that are shown one by one."""
DARKEST = 0.88
"""How much of a patch is hidden that gets no attention at all."""
PACKAGES = ("voco-pipeline", "torch", "transformers", "numpy", "pillow")


@dataclass(frozen=True)
class Layer:
    """One layer's attention, all VoCo tokens together."""

    share: float
    """Of a VoCo token's attention, what goes to the picture's patches, in percent."""
    shade: str
    """A picture as a data URI: a pixel for each patch, the darker the less it is looked at."""


@dataclass(frozen=True)
class Looked:
    """One picture, and where the tokens look in it."""

    question: str
    picture: str
    layers: list[Layer]
    closest: int
    """The layer, from 0, whose tokens look at the picture most."""
    tokens: list[str]
    """That layer's shades, token by token."""


@dataclass(frozen=True)
class Looks:
    """Of one benchmark."""

    reading: str
    """Whose answers these are, such as voco_8."""
    cards: list[Card] = field(default_factory=list)
    looked: list[Looked] = field(default_factory=list)
    read: list[Readable] = field(default_factory=list)
    identity: dict[str, Any] = field(default_factory=dict)
    """By name, what was measured with what."""

    def write(self, folder: Path) -> None:
        (folder / LOOKS).write_text(json.dumps({"format": FORMAT} | asdict(self)) + "\n", "utf-8")


def read_looks(folder: Path) -> Looks | None:
    """What `write` wrote; None where an earlier version wrote the result."""
    path = folder / LOOKS
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise VocoError(f"{path}: format {content['format']}; this version reads {FORMAT}")
        return Looks(
            content["reading"],
            [Card(**one) for one in content["cards"]],
            [Looked(**one | {"layers": [Layer(**layer) for layer in one["layers"]]}) for one in content["looked"]],
            [Readable(one["what"], one["tokens"], _probed(one["probed"])) for one in content["read"]],
            content["identity"],
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VocoError(f"{path}: not what `voco eval` wrote ({error}); run it again") from None


def _probed(told: Mapping[str, Any]) -> Probed:
    return Probed(**{**told, "accuracy": Interval(**told["accuracy"])})


def look(assistant: Assistant, shown: Shown, questions: Sequence[Question], result: Result, n_voco: int) -> Looks:
    """Of answers that were read from `n_voco` tokens. questions: all of the benchmark, also those not asked."""
    with same_every_time(assistant.model.device.type), torch.no_grad():
        cards = gallery(result.items, lambda question: _frames(shown, question))
        looked = _looked(assistant, shown, [item.question for item in result.items], n_voco)
        read = readable(shown, questions, n_voco)
        shown.only([])
    asked = hashlib.sha256("".join(question_key(item.question) for item in result.items).encode())
    identity = identity_of(assistant) | {"questions": {result.benchmark.title: asked.hexdigest()}}
    return Looks(f"voco_{n_voco}", cards, looked, read, identity)


def identity_of(assistant: Assistant) -> dict[str, Any]:
    """The model by its digest and shape, and what it runs on."""
    model, config, processor = assistant.model, assistant.model.config, assistant.processor
    text = config.text_config
    size = config.vision_config.image_size
    return {
        "model": model.digest(),
        "shape": {
            "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
            "decoder": f"{text.model_type}, {text.num_hidden_layers} layers of {text.hidden_size}",
            "pictures": f"{size} × {size} pixels, {config.n_patches} patches, {processor.aspect}",
            "VoCo tokens": f"{config.n_voco}, compressor {config.compressor}, {config.positions} positions",
            "template": processor.template,
            "weights": str(model.dtype).removeprefix("torch."),
        },
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "device": torch.cuda.get_device_name() if model.device.type == "cuda" else model.device.type,
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _frames(shown: Shown, question: Question) -> list[Image.Image]:
    """The picture, a clip's frames, or nothing."""
    seen: Any = shown.pictures([question])[0]
    frames = seen[0] if seen and isinstance(seen[0], list) else seen
    shown.only([])
    return list(frames)


def _looked(assistant: Assistant, shown: Shown, asked: Sequence[Question], n_voco: int) -> list[Looked]:
    """The first few pictures by their names' digests."""
    if not has_patches(assistant.model.config):
        return []
    by_medium = {medium_of(q): q for q in asked if medium_of(q) is not None and not q.video}
    drawn = sorted(by_medium.values(), key=lambda q: hashlib.sha256(q.group.encode()).digest())[:PICTURES]
    squares = [assistant.processor.squares(_frames(shown, question)[0])[0] for question in drawn]
    if not squares:
        return []
    pixels = assistant.processor.pixels(squares)
    weights = voco_attention(assistant.model, pixels, n_voco, **assistant.where())
    return [_one(q, square, own) for q, square, own in zip(drawn, squares, weights, strict=True)]


def _one(question: Question, square: Image.Image, weights: Tensor) -> Looked:
    """weights: (layers, VoCo tokens, patches)."""
    shares = weights.sum(-1).mean(1)
    closest = int(shares.argmax())
    layers = [
        Layer(round(100 * float(share), 1), shade(own.mean(0))) for share, own in zip(shares, weights, strict=True)
    ]
    tokens = [shade(own) for own in weights[closest, :TOKENS]]
    return Looked(question.text, data_uri([square]), layers, closest, tokens)


def shade(weights: Tensor) -> str:
    """(patches,) as a square of black pixels: clear where attention is greatest, darkest where there is none.

    By the square root, since some patches of large models draw so much that no other would be seen beside them.
    """
    side = round(len(weights) ** 0.5)
    part = weights.reshape(side, side).double().numpy() / max(float(weights.max()), np.finfo(float).tiny)
    alpha = (255 * DARKEST * (1 - np.sqrt(part))).round().astype(np.uint8)
    return encoded(Image.fromarray(np.stack([np.zeros_like(alpha), alpha], -1), "LA"), "PNG", optimize=True)
