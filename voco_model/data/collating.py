"""From record numbers to a batch that the model takes: read, decode, resize, tokenize. Runs in the workers."""

import copy
import hashlib
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.utils.data import get_worker_info
from transformers import BatchFeature

from voco_model.data.catalogue import MEDIA_KINDS, Catalogue
from voco_model.data.rooms import Rooms
from voco_model.data.shard_reader import ShardReader
from voco_model.errors import VocoError
from voco_model.pixels import plain_room
from voco_model.processing.pictures import Source, open_picture
from voco_model.processing.processor import VocoProcessor
from voco_model.video import sample_frames


@dataclass(frozen=True)
class Reading:
    """How records are read, whatever batch they are in."""

    fps: float | None = None
    """Frames taken from a second of video; or give `n_frames`."""
    n_frames: int | None = None
    """Frames taken from every video, evenly."""
    max_length: int | None = None
    """Positions of a row; a longer one loses its end. None means the model's window."""
    padding_side: str = "right"

    def __post_init__(self) -> None:
        if self.fps is not None and self.n_frames is not None:
            raise VocoError("frames are taken by fps or by n_frames; give one of the two")
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise VocoError(f"fps is {self.fps}; give a number above 0, such as 1")
        if self.n_frames is not None and self.n_frames < 1:
            raise VocoError(f"n_frames is {self.n_frames}; give 1 or more")

    def pictures(self, duration: float) -> float:
        """How many frames a video gives."""
        return self.n_frames or duration * (self.fps or 0)


class Failure(NamedTuple):
    """A record that could not be read, and why."""

    id: str
    shard: str
    reason: str


@dataclass(frozen=True)
class Share:
    """What a worker is asked for: one rank's part of a batch."""

    epoch: int
    index: int
    groups: list[list[int]]
    part: int = 0
    """Which micro batch of the rank's share."""


@dataclass
class TrainingBatch:
    """One rank's part of a batch."""

    epoch: int
    index: int
    """Its place in the epoch, the same on all ranks."""
    ids: list[str]
    """The records in it, row by row."""
    inputs: BatchFeature | None
    """What the model takes; None where this rank has no records of this batch."""
    failures: list[Failure]
    """Records of this part that could not be read and are not in it."""
    part: int = 0
    """Which micro batch of the rank's share it is."""
    source: int = 0
    """Which of several data sets it was read from."""

    def __getstate__(self) -> dict[str, Any]:
        """How a worker hands it over: rows within the message, where shared memory would cost more."""
        inputs = self.inputs and {name: _sent(value) for name, value in self.inputs.items()}
        return vars(self) | {"inputs": inputs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        inputs = state["inputs"]
        if inputs is not None:
            inputs = BatchFeature({name: _received(value) for name, value in inputs.items()})
        vars(self).update(state | {"inputs": inputs})


def _sent(value: Any) -> Any:
    of_rows = isinstance(value, torch.Tensor) and value.dtype == torch.long
    return value.int().numpy() if of_rows else value


def _received(value: Any) -> Any:
    return torch.from_numpy(value).long() if isinstance(value, np.ndarray) else value


Row = tuple[int, list[Any], list[Any]]
"""A record's number, its conversation and its images."""


class Collator:
    """Makes a rank's part of a batch; `collator[share]` is what torch's DataLoader asks a worker for."""

    rooms: Rooms | None = None
    """Where workers put pictures."""

    def __init__(self, catalogue: Catalogue, processor: VocoProcessor, reading: Reading) -> None:
        self.catalogue, self.processor, self.reading = catalogue, processor, reading
        self.reader = ShardReader(catalogue.folder)

    def using(self, rooms: Rooms | None) -> "Collator":
        """The same, for workers that put pictures there."""
        other = copy.copy(self)
        other.rooms = rooms
        return other

    def __getitem__(self, share: Share) -> TrainingBatch:
        failures: list[Failure] = []
        together: dict[int, list[int]] = {}  # groups of the same image that met in a batch share it, too
        for group in share.groups:
            together.setdefault(int(self.catalogue.media[group[0]]), []).extend(group)
        rows = [row for group in together.values() for row in self._group(group, failures)]
        inputs, rows = self._processed(rows, failures)
        ids = [self.catalogue.id_of(record) for record, _, _ in rows]
        if inputs is not None and self.rooms and "pixel_values" in inputs:
            inputs["pixel_values"] = self.rooms.hand_over(inputs["pixel_values"])
        return TrainingBatch(share.epoch, share.index, ids, inputs, failures, share.part)

    def _room(self, shape: tuple[int, ...]) -> torch.Tensor:
        worker = get_worker_info()
        return self.rooms.room(worker.id, shape) if worker and self.rooms else plain_room(shape)

    def _group(self, group: list[int], failures: list[Failure]) -> list[Row]:
        """The records that can be read; all show one object, so that the processor takes it as one image."""
        rows = []
        for record in group:
            try:
                rows.append((record, self._conversation(record)))
            except (VocoError, OSError) as error:
                failures.append(self._failure(record, error))
        if not rows or self.catalogue.digest_of(group[0]) is None:
            return [(record, turns, []) for record, turns in rows]
        try:
            item = self._item([record for record, _ in rows])
        except (VocoError, OSError) as error:
            failures.extend(self._failure(record, error) for record, _ in rows)
            return []
        return [(record, turns, [item]) for record, turns in rows]

    def _conversation(self, record: int) -> list[Any]:
        catalogue = self.catalogue
        read = self.reader.record(catalogue.shard_of(record), int(catalogue.numbers[record]))
        if read.get("id") != catalogue.id_of(record):
            raise VocoError(f"its shard has {read.get('id')!r:.80} in its place; ingest the data set again")
        return read["turns"]

    def _item(self, records: list[int]) -> Any:
        """What a group shows, from the first copy that the manifest's digest proves; all copies are the same."""
        catalogue, problem = self.catalogue, VocoError("")
        for record in records:
            try:
                data = self.reader.media(catalogue.shard_of(record), int(catalogue.numbers[record]))
                if hashlib.sha256(data).hexdigest() != catalogue.digest_of(record):
                    raise VocoError("its media differs from the manifest's digest; the shard is damaged")
            except (VocoError, OSError) as error:
                problem = VocoError(str(error))
                continue
            return self._decoded(record, data)
        raise problem

    def _decoded(self, record: int, data: bytes) -> Any:
        name = self.catalogue.id_of(record)
        if MEDIA_KINDS[self.catalogue.kinds[record]] == "image":
            return self._shrunk(data, name)
        with tempfile.NamedTemporaryFile(prefix="voco-clip-") as file:
            file.write(data)
            file.flush()
            try:
                frames = sample_frames(Path(file.name), fps=self.reading.fps, count=self.reading.n_frames)
                return [self._shrunk(frame.image, name) for frame in frames]
            except VocoError as error:
                raise VocoError(str(error).replace(file.name, name)) from None

    def _shrunk(self, picture: Source, name: str) -> Image.Image | np.ndarray:
        """A picture as small as the processor leaves it, so that a long clip takes little memory."""
        whole = self.processor.aspect == "tiles"  # these are cut from the full picture
        return open_picture(picture, name) if whole else self.processor.square_array(picture, name)

    def _processed(self, rows: list[Row], failures: list[Failure]) -> tuple[BatchFeature | None, list[Row]]:
        """The batch of all rows that the processor takes."""
        if not rows:
            return None, []
        try:
            return self._process(rows), rows
        except VocoError:
            good = [row for row in rows if self._is_taken(row, failures)]
            return (self._process(good) if good else None), good

    def _is_taken(self, row: Row, failures: list[Failure]) -> bool:
        try:
            self._process([row])
        except VocoError as error:
            failures.append(self._failure(row[0], error))
            return False
        return True

    def _process(self, rows: list[Row]) -> BatchFeature:
        return self.processor(
            [turns for _, turns, _ in rows],
            [items for _, _, items in rows],
            labels=True,
            padding_side=self.reading.padding_side,
            max_length=self.reading.max_length,
            truncation=True,
            room=self._room,
        )

    def _failure(self, record: int, error: Exception) -> Failure:
        return Failure(self.catalogue.id_of(record), self.catalogue.shard_of(record), str(error))
