"""Pixel values: the numbers that the tower takes for a picture's bytes, the same wherever they are made."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil


class Preparation(NamedTuple):
    """What is done to each value of a picture, whatever stands around it."""

    do_rescale: bool
    rescale_factor: float
    do_normalize: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, own: Any) -> "Preparation":
        """What an image processor does."""
        mean, std = tuple(own.image_mean), tuple(own.image_std)
        return cls(own.do_rescale, own.rescale_factor, own.do_normalize, mean, std)


@lru_cache(maxsize=8)
def value_table(preparation: Preparation) -> np.ndarray:
    """(3, 256): what Hugging Face's preparation makes of each value of each channel; looking it up is quick."""
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    prepare = CLIPImageProcessorPil(
        do_resize=False,
        do_center_crop=False,
        do_rescale=preparation.do_rescale,
        rescale_factor=preparation.rescale_factor,
        do_normalize=preparation.do_normalize,
        image_mean=list(preparation.mean),
        image_std=list(preparation.std),
    )
    made = prepare(images=[Image.fromarray(values)], return_tensors="np")["pixel_values"]
    return np.asarray(made, dtype=np.float32).reshape(3, 256)


@lru_cache(maxsize=1)
def clip_preparation() -> Preparation:
    """CLIP's own, which is what bytes without further word are given."""
    return Preparation.of(CLIPImageProcessorPil())


Room = Callable[[tuple[int, ...]], Tensor]
"""Gives bytes of a shape, to be filled."""


def plain_room(shape: tuple[int, ...]) -> Tensor:
    """Bytes to be filled, in memory of this process."""
    return torch.empty(shape, dtype=torch.uint8)


def prepared(pixel_values: Tensor) -> Tensor:
    """(images, 3, size, size) bytes by CLIP's own preparation, on their device; floats are prepared already."""
    if pixel_values.dtype != torch.uint8:
        return pixel_values
    table = torch.from_numpy(value_table(clip_preparation())).to(pixel_values.device)
    return torch.stack([table[channel][pixel_values[:, channel].int()] for channel in range(3)], dim=1)
