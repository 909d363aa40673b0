"""What a batch needs computed: which blocks are compressed once, which rows read them, which outputs are wanted.

All of it is index arithmetic on the segments; no weights are involved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from voco_model.errors import VocoError
from voco_model.positions import extent, position_ids
from voco_model.segments import NO_IMAGE, Block, Kind, Segments, find_blocks

NOWHERE = -1
"""The column of a padded place in a gathered batch."""


@dataclass(frozen=True)
class Gathered:
    """Chosen columns of chosen rows, packed to the left and padded on the right."""

    ids: Tensor
    segments: Segments
    ordinals: Tensor
    positions: Tensor
    columns: Tensor
    """The columns that the tokens had in the batch; `NOWHERE` for padding."""


@dataclass(frozen=True)
class Batch:
    """A padded batch with everything that follows from its segments alone."""

    ids: Tensor
    segments: Segments
    positions: Tensor
    ordinals: Tensor

    @classmethod
    def of(cls, ids: Tensor, kinds: Tensor, images: Tensor, scheme: str, window: int) -> "Batch":
        """Checks the shapes and the window, and numbers the positions."""
        if not ids.shape == kinds.shape == images.shape:
            raise VocoError(
                f"input_ids {tuple(ids.shape)}, kinds {tuple(kinds.shape)} and images {tuple(images.shape)}"
                " differ in shape; the processor makes all three"
            )
        segments = Segments(kinds, images)
        positions = position_ids(segments, scheme)
        if extent(positions) > window:
            raise VocoError(
                f"a sequence of {extent(positions)} positions is past the model's window of {window};"
                " shorten the text, use fewer VoCo tokens or frames, or truncate in the processor"
            )
        return cls(ids, segments, positions, segments.ordinals())

    @cached_property
    def kinds(self) -> np.ndarray:
        return self.segments.kinds.cpu().numpy()

    @cached_property
    def blocks(self) -> list[Block]:
        return find_blocks(self.kinds, self.segments.images.cpu().numpy())

    def columns(self, row: int, *kinds: Kind) -> np.ndarray:
        """The columns of a row that hold one of these kinds."""
        if kinds not in self._masks:
            self._masks[kinds] = np.logical_or.reduce([self.kinds == kind for kind in kinds])
        return np.flatnonzero(self._masks[kinds][row])

    @cached_property
    def _masks(self) -> dict[tuple[Kind, ...], np.ndarray]:
        """Where which kinds stand; asked for row by row."""
        return {}

    def gather(self, rows: Sequence[int], columns: Sequence[np.ndarray]) -> Gathered:
        """The named columns of the named rows as a batch of their own."""
        index = pad(columns, at_least=1).to(self.ids.device)
        row = torch.tensor(rows, dtype=torch.long, device=self.ids.device)[:, None]
        real, at = index >= 0, index.clamp(min=0)

        def take(x: Tensor, filler: int) -> Tensor:
            return torch.where(real, x[row, at], filler)

        segments = Segments(take(self.segments.kinds, Kind.PAD), take(self.segments.images, NO_IMAGE))
        return Gathered(take(self.ids, 0), segments, take(self.ordinals, 0), take(self.positions, 0), index)


def pad(lists: Sequence[np.ndarray], at_least: int = 0) -> Tensor:
    """Integer lists of unequal lengths as one matrix, `NOWHERE` where a list has ended."""
    width = max(at_least, *(len(x) for x in lists)) if lists else at_least
    out = np.full((len(lists), width), NOWHERE, dtype=np.int64)
    for row, x in zip(out, lists, strict=True):
        row[: len(x)] = x
    return torch.from_numpy(out)


@dataclass(frozen=True)
class Compression:
    """Phase 1: each distinct (image, place, prefix) once, and where each block finds its result."""

    blocks: list[Block]
    """One representative block for each distinct compression."""
    columns: list[np.ndarray]
    """The columns `prefix | vision | VoCo` of each representative, in its row."""
    of_block: dict[tuple[int, int], int]
    """(row, image) to the number of its compression."""


def plan_compression(batch: Batch) -> Compression:
    """Blocks that would compute the same numbers share one compression."""
    ids, positions = batch.ids.cpu().numpy(), batch.positions.cpu().numpy()
    known: dict[tuple, int] = {}
    blocks: list[Block] = []
    columns: list[np.ndarray] = []
    of_block: dict[tuple[int, int], int] = {}
    for block in batch.blocks:
        prefix = batch.columns(block.row, Kind.PREFIX)
        all_columns = np.concatenate([prefix, block.vision, block.voco])
        own = positions[block.row, all_columns].tobytes(), ids[block.row, prefix].tobytes()
        key = (block.image, len(block.voco), *own)
        if key not in known:
            known[key] = len(blocks)
            blocks.append(block)
            columns.append(all_columns)
        of_block[block.row, block.image] = known[key]
    return Compression(blocks, columns, of_block)


@dataclass(frozen=True)
class Wanted:
    """The positions whose next-token logits are wanted, in order."""

    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def before_labels(cls, batch: Batch, labels: np.ndarray, ignore: int = -100) -> "Wanted":
        """Of every label, the last real position before it."""
        rows, columns = np.nonzero(labels != ignore)
        real = batch.kinds != Kind.PAD
        if not real[rows, columns].all():
            raise VocoError("a label stands on padding; labels belong to text tokens")
        index = np.where(real, np.arange(real.shape[1]), NOWHERE)
        last = np.maximum.accumulate(index, axis=1)
        before = np.concatenate([np.full((len(last), 1), NOWHERE), last[:, :-1]], axis=1)[rows, columns]
        if (before == NOWHERE).any():
            raise VocoError("the first token of a row carries a label; nothing comes before it to predict it")
        return cls(rows, before)

    @classmethod
    def last(cls, batch: Batch) -> "Wanted":
        """The last real position of every row."""
        real = batch.kinds != Kind.PAD
        if not real.any(1).all():
            raise VocoError(f"row {int(np.flatnonzero(~real.any(1))[0])} is empty; there is nothing to continue")
        return cls(np.arange(len(real)), real.shape[1] - 1 - real[:, ::-1].argmax(1))

    @classmethod
    def marked(cls, mask: np.ndarray) -> "Wanted":
        """Wherever a (rows, length) mask says so."""
        return cls(*np.nonzero(mask))

    def inside_blocks(self, batch: Batch) -> "Wanted | None":
        """Those that lie on vision or VoCo tokens; a question that ends in an image has them, few others do."""
        inside = np.isin(batch.kinds[self.rows, self.columns], (Kind.VISION, Kind.VOCO))
        return Wanted(self.rows[inside], self.columns[inside]) if inside.any() else None


def locate(columns: Tensor, rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where, in each gathered row, the wanted batch columns came to stand."""
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    return (columns.cpu().numpy()[rows] == wanted[:, None]).argmax(1)


class Reads:
    """Rows to read from a gathered batch: as a padded index for the decoder, and flat afterwards."""

    def __init__(self, n_rows: int, rows: np.ndarray, places: np.ndarray) -> None:
        self.index = pad([places[rows == row] for row in range(n_rows)]).clamp(min=0)
        rank = np.zeros(len(rows), dtype=np.int64)
        for row in range(n_rows):
            rank[rows == row] = np.arange((rows == row).sum())
        self.flat = torch.from_numpy(rows * self.index.shape[1] + rank)

    def of(self, hidden: Tensor) -> Tensor:
        """The read states, (n, width), in the order that they were asked for."""
        return hidden.flatten(0, 1)[self.flat.to(hidden.device)]
