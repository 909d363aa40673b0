"""Digests: names for a model, an image and a tensor that change when a single bit of them does."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn


def of_tensors(named: Iterable[tuple[str, Tensor]], extra: str = "") -> str:
    """SHA-256 over names, types, shapes and bytes."""
    digest = hashlib.sha256(extra.encode())
    for name, tensor in named:
        flat = tensor.detach().contiguous().cpu().reshape(-1)
        digest.update(f"{name}|{flat.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


_NOT_COMPUTATION = (
    "transformers_version", "_name_or_path", "architectures", "dtype", "torch_dtype", "use_cache", "return_dict",
    "output_hidden_states", "output_attentions", "id2label", "label2id", "problem_type",
)  # fmt: skip
"""Configuration keys that say how a model was saved or is called, not what it computes."""


def of_model(model: nn.Module, config: dict[str, Any]) -> str:
    """What the model computes: its weights and the configuration keys that shape the computation."""
    shaping = json.dumps(_shaping(config), sort_keys=True, default=str)
    return of_tensors(sorted(model.state_dict().items()), shaping)


def _shaping(config: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _shaping(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if key not in _NOT_COMPUTATION
    }


def of_image(image: Image.Image, preprocessing: str) -> str:
    """What the tower will see of a picture: its pixels and how they are prepared."""
    digest = hashlib.sha256(f"{preprocessing}|{image.mode}|{image.size}|".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def of_pixels(pixel_values: Tensor) -> str:
    """A prepared picture, where the picture itself is not at hand."""
    return of_tensors([("pixels", pixel_values)])
