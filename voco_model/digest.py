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
        digest.update(memoryview(flat.view(torch.uint8).numpy()))
    return digest.hexdigest()


def of_model(model: nn.Module, config: dict[str, Any]) -> str:
    """What the model computes: its weights and the configuration keys that shape the computation."""
    kept = {key: value for key, value in sorted(config.items()) if key not in ("transformers_version", "_name_or_path")}
    return of_tensors(sorted(model.state_dict().items()), json.dumps(kept, sort_keys=True, default=str))


def of_image(image: Image.Image, preprocessing: str) -> str:
    """What the tower will see of a picture: its pixels and how they are prepared."""
    digest = hashlib.sha256(f"{preprocessing}|{image.mode}|{image.size}|".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def of_pixels(pixel_values: Tensor) -> str:
    """A prepared picture, where the picture itself is not at hand."""
    return of_tensors([("pixels", pixel_values)])
