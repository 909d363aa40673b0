"""What becomes of rows and their images in a batch: each distinct image once, rows padded to one length."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from voco_model.cache import VocoCache
from voco_model.errors import VocoError
from voco_model.pixels import Room
from voco_model.processing.pictures import Source
from voco_model.processing.sequence import IGNORE, BlockShape, Sequence
from voco_model.segments import NO_IMAGE, Kind

if TYPE_CHECKING:
    from voco_model.processing.processor import VocoProcessor

Item = Source | np.ndarray | VocoCache | list[Any]
"""One image tag's content: a picture, its square as bytes, a cache, or the frames of a video."""


class Shelf:
    """The batch's images: each distinct one once, whoever shows it."""

    def __init__(self, processor: "VocoProcessor", n_voco: int | None, room: Room | None) -> None:
        """room: where pictures go as bytes; None prepares them here."""
        self.processor, self.room = processor, room
        self.n_voco = processor.n_voco if n_voco is None else n_voco
        if not min(1, processor.n_voco) <= self.n_voco <= processor.n_voco:
            raise VocoError(f"n_voco is {self.n_voco}; this model takes 1 to {processor.n_voco}")
        self.of_picture = processor.block_shape(self.n_voco, from_cache=False)
        self.squares: list[Any] = []
        self.caches: list[VocoCache] = []
        self.known: dict[Any, list[list[int]]] = {}
        self.in_row: dict[Any, int] = {}
        self.kept_alive: list[Item] = []

    def open_row(self) -> None:
        """Within a row, each showing of an image needs a number of its own."""
        self.in_row = {}

    def blocks(self, item: Item, where: str) -> list[tuple[int, BlockShape]]:
        """The image numbers and shapes of an item's blocks."""
        key = item if isinstance(item, str | bytes) else str(item) if hasattr(item, "__fspath__") else id(item)
        self.kept_alive.append(item)
        showing = self.in_row.get(key, 0)
        self.in_row[key] = showing + 1
        copies = self.known.setdefault(key, [])
        if showing == len(copies):
            copies.append(self._take(item, where))
        return [(number, self._shape(number)) for number in copies[showing]]

    def _take(self, item: Item, where: str) -> list[int]:
        if isinstance(item, VocoCache):
            first, parts = len(self.caches), item.split()
            self.caches += parts
        else:
            first = len(self.squares)
            frames = item if isinstance(item, list) else [item]
            parts = [square for frame in frames for square in self.processor.squares(frame, where)]
            self.squares += parts
        if self.squares and self.caches:
            raise VocoError(f"{where}: a batch takes pictures or caches, not both; compress the pictures first")
        return list(range(first, first + len(parts)))

    def _shape(self, number: int) -> BlockShape:
        if not self.caches:
            return self.of_picture
        n_voco = min(self.n_voco, self.caches[number].n_tokens)
        return self.processor.block_shape(n_voco, from_cache=True)

    def fill(self, batch: dict[str, Any]) -> None:
        """Add the images that the rows still show after truncation, renumbered without gaps."""
        places = torch.bincount(batch["images"].flatten() - NO_IMAGE)[1:]
        shown = places.nonzero().flatten().tolist()
        if not shown:
            return
        if len(shown) < len(places):
            renumber = torch.full((len(places) + 1,), NO_IMAGE)
            renumber[torch.tensor(shown) - NO_IMAGE] = torch.arange(len(shown))
            batch["images"] = renumber[batch["images"] - NO_IMAGE]
        if self.caches:
            batch["voco_caches"] = [self.caches[n] for n in shown]
        else:
            batch["pixel_values"] = self.processor.pixels([self.squares[n] for n in shown], self.room)


def collate(rows: list[Sequence], pad_id: int, padding_side: str, labels: bool) -> dict[str, Any]:
    """Rows of unequal lengths as tensors, padded on one side."""
    if padding_side not in ("left", "right"):
        raise VocoError(f"padding_side is '{padding_side}'; choose left or right")
    length = max((len(row) for row in rows), default=0)

    def padded(name: str, filler: int) -> Tensor:
        out = np.full((len(rows), length), filler, dtype=np.int64)
        for k, row in enumerate(rows):
            start = length - len(row) if padding_side == "left" else 0
            out[k, start : start + len(row)] = getattr(row, name)
        return torch.from_numpy(out)

    batch = {
        "input_ids": padded("ids", pad_id),
        "kinds": padded("kinds", Kind.PAD),
        "images": padded("images", NO_IMAGE),
    }
    batch["attention_mask"] = (batch["kinds"] != Kind.PAD).long()
    if labels:
        batch["labels"] = padded("labels", IGNORE)
    return batch
