"""Segments: every position of a sequence says what it is and which image it belongs to.

A sequence reads `prefix | vision (of an image) | VoCo x N | text`, with any number of images at any place.
Nothing in this package is found by counting from an end or by looking for a token id.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from voco_model.errors import VocoError

NO_IMAGE = -1
"""The image number of positions that belong to no image."""


class Kind(IntEnum):
    """What a position holds."""

    PAD = 0
    PREFIX = 1
    VISION = 2
    VOCO = 3
    TEXT = 4


class Segments(NamedTuple):
    """Kinds and image numbers of a batch, both (rows, length); image numbers count the batch's images."""

    kinds: Tensor
    images: Tensor

    def limited(self, n_voco: int) -> "Segments":
        """The same rows with at most `n_voco` VoCo tokens per image; the others become padding."""
        excess = (self.kinds == Kind.VOCO) & (self.ordinals() >= n_voco)
        return Segments(self.kinds.masked_fill(excess, Kind.PAD), self.images.masked_fill(excess, NO_IMAGE))

    def ordinals(self) -> Tensor:
        """The place of every position within its run of one kind and image, counted from 0."""
        index = torch.arange(self.kinds.shape[1], device=self.kinds.device).expand_as(self.kinds)
        starts = torch.ones_like(self.kinds, dtype=torch.bool)
        starts[:, 1:] = (self.kinds.diff() != 0) | (self.images.diff() != 0)
        first = torch.where(starts, index, 0).cummax(dim=1).values
        return index - first


class Block(NamedTuple):
    """One image's place in one row: the columns of its vision tokens and of its VoCo tokens."""

    row: int
    image: int
    vision: np.ndarray
    voco: np.ndarray


def find_blocks(kinds: np.ndarray, images: np.ndarray) -> list[Block]:
    """The images' blocks in reading order; refuses rows whose segments are not whole.

    An image's vision tokens are contiguous and its VoCo tokens follow them at once, without padding inside.
    """
    blocks = []
    for row, (kind, image) in enumerate(zip(kinds, images, strict=True)):
        real = np.flatnonzero(kind != Kind.PAD)
        _check_prefix(row, kind[real])
        columns = real[np.isin(kind[real], (Kind.VISION, Kind.VOCO))]
        seen: set[int] = set()
        for run in np.split(columns, np.flatnonzero(np.diff(image[columns])) + 1):
            if not len(run):
                continue
            number = int(image[run[0]])
            _check_block(row, number, kind[run], run, number in seen)
            seen.add(number)
            n_vision = int((kind[run] == Kind.VISION).sum())
            blocks.append(Block(row, number, run[:n_vision], run[n_vision:]))
    return blocks


def _check_prefix(row: int, kinds: np.ndarray) -> None:
    n_prefix = int((kinds == Kind.PREFIX).sum())
    if (kinds[:n_prefix] != Kind.PREFIX).any():
        raise VocoError(f"row {row}: prefix tokens stand after other tokens; the prefix opens a sequence")


def _check_block(row: int, image: int, kinds: np.ndarray, columns: np.ndarray, again: bool) -> None:
    if image < 0:
        raise VocoError(f"row {row}: a vision or VoCo token belongs to no image; give it an image number")
    if again:
        raise VocoError(f"row {row}: image {image} has two blocks; give a repeated image a number of its own")
    if columns[-1] - columns[0] + 1 != len(columns):
        raise VocoError(f"row {row}: something stands inside the block of image {image}; a block is unbroken")
    if (np.diff(kinds.astype(int)) < 0).any():
        raise VocoError(f"row {row}: image {image} has vision tokens after its VoCo tokens")
