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
    _check_prefixes(kinds)
    rows, columns = np.nonzero((kinds == Kind.VISION) | (kinds == Kind.VOCO))
    kind, numbers = kinds[rows, columns], images[rows, columns]
    ends_before = (np.diff(rows) != 0) | (np.diff(numbers) != 0)
    begins = [0, *(np.flatnonzero(ends_before) + 1).tolist()] if len(rows) else []
    blocks: list[Block] = []
    seen: set[tuple[int, int]] = set()
    for begin, end in zip(begins, [*begins[1:], len(rows)], strict=False):
        row, number, run = int(rows[begin]), int(numbers[begin]), columns[begin:end]
        _check_block(row, number, kind[begin:end], run, (row, number) in seen)
        seen.add((row, number))
        n_vision = int((kind[begin:end] == Kind.VISION).sum())
        blocks.append(Block(row, number, run[:n_vision], run[n_vision:]))
    return blocks


def _check_prefixes(kinds: np.ndarray) -> None:
    others = np.logical_or.accumulate((kinds != Kind.PAD) & (kinds != Kind.PREFIX), axis=1)
    late = (others & (kinds == Kind.PREFIX)).any(1)
    if late.any():
        row = int(late.argmax())
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
