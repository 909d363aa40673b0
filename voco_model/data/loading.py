"""The training loader: batches of a data set's shards, epoch after epoch, from any position on."""

import gc
import math
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from voco_model.data.catalogue import MEDIA_KINDS, Catalogue, read_catalogue
from voco_model.data.collating import Collator, Failure, Reading, Share, TrainingBatch
from voco_model.data.grouping import BatchPolicy, EpochPlan, plan_epoch
from voco_model.data.rooms import Rooms
from voco_model.errors import VocoError
from voco_model.processing.processor import VocoProcessor

CHARACTERS_PER_TOKEN = 4
AHEAD = 2
"""Batches that each worker makes before they are asked for."""
MOST_ROOM = 64 * 1024 * 1024
"""Bytes of pictures that one batch is expected to take; a larger one is handed over more slowly."""


class TrainingLoader:
    """Yields the batches of one epoch each time it is iterated, or what is left of an epoch begun before.

    Over all ranks, every record comes once in an epoch. What a batch holds, and in which order batches come,
    depends on the data, `policy`, `reading` and `seed`; not on ranks or workers, so `state_dict()` of one run
    can be loaded into another with more or fewer of either.

        for epoch in range(loader.epoch, epochs):
            for batch in loader:
                if batch.inputs is not None:
                    model(**batch.inputs).loss ...

    `endless()` goes on from epoch to epoch with the same workers.
    """

    def __init__(
        self,
        folder: Path | str,
        processor: VocoProcessor,
        policy: BatchPolicy,
        reading: Reading | None = None,
        *,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
        split: str | None = None,
        max_failed: float = 0.01,
        parts: int = 1,
    ) -> None:
        """folder: the data set's; split: which of its records, by default all.

        workers: processes that read, decode and resize; 0 does it in this one.
        max_failed: the share of records that may fail to be read in an epoch; more stop the run.
        parts: how many micro batches a rank's share of a batch comes in.
        """
        if not 0 <= rank < world_size:
            raise VocoError(f"rank is {rank} of a world of {world_size}; ranks count from 0")
        if policy.batch_size < world_size:
            raise VocoError(
                f"batch_size {policy.batch_size} is below the {world_size} ranks that share it; raise it"
            )
        if seed < 0 or workers < 0 or not 0 <= max_failed <= 1:
            raise VocoError("seed and workers are 0 or more, and max_failed is a share from 0 to 1")
        reading = reading or Reading()
        self.catalogue = read_catalogue(folder, split)
        _check_videos(self.catalogue, reading)
        self.policy, self.reading, self.seed, self.split = policy, reading, seed, split
        self.rank, self.world_size, self.workers, self.max_failed = rank, world_size, workers, max_failed
        self.parts = parts
        self.epoch, self.next_batch = 0, 0
        self._failed = 0
        self._collator = Collator(self.catalogue, processor, reading)
        self._picture_bytes = processor.most_squares * 3 * processor.size**2
        self._places = processor.n_vision + processor.n_voco
        self._lengths = expected_lengths(self.catalogue, reading, self._places)
        self.batches_per_epoch = len(self.plan(0))
        if not self.batches_per_epoch:
            raise VocoError(
                f"{folder}: not one full batch of {policy.batch_size}; lower batch_size or keep the last"
            )

    def plan(self, epoch: int) -> EpochPlan:
        """The batches of an epoch, over all ranks."""
        return plan_epoch(self.catalogue, self._lengths, self.policy, self.seed, epoch)

    def __iter__(self) -> Iterator[TrainingBatch]:
        return self._batches(self._shares(self.epoch))

    def endless(self) -> Iterator[TrainingBatch]:
        """Batches from the position on, epoch after epoch."""
        return self._batches(chain.from_iterable(map(self._shares, count(self.epoch))))

    def _batches(self, shares: Iterator[Share]) -> Iterator[TrainingBatch]:
        rooms = self._rooms() if self.workers else None
        batches: Iterable[TrainingBatch] = DataLoader(
            self._collator.using(rooms),  # type: ignore[arg-type]  # asked by share, not by number
            batch_size=None,
            sampler=shares,
            num_workers=self.workers,
            prefetch_factor=AHEAD if self.workers else None,
            multiprocessing_context="fork" if self.workers else None,  # so that rooms are shared
            collate_fn=_as_it_is,
            worker_init_fn=_begin_worker,
            generator=torch.Generator(),  # its own, so that loading never moves the model's random numbers
        )
        for batch in batches:
            if batch.index == 0 and batch.part == 0:
                self._failed = 0
            self._check_failures(batch.failures)
            # The position is what the consumer has, not what workers have made ready.
            done = batch.epoch * self.batches_per_epoch + batch.index + (batch.part == self.parts - 1)
            self.epoch, self.next_batch = divmod(done, self.batches_per_epoch)
            if rooms and batch.inputs and "pixel_values" in batch.inputs:
                batch.inputs["pixel_values"] = rooms.receive(batch.inputs["pixel_values"])
            yield batch

    def _rooms(self) -> Rooms:
        """Room for each worker's batches on their way: those asked for ahead, the one read, and the one before."""
        groups = -(-self.policy.batch_size // (self.world_size * self.parts))
        frames = max(map(self.reading.pictures, self.catalogue.durations.tolist()), default=0)
        pictures = groups * math.ceil(max(frames, 1))
        return Rooms(self.workers, AHEAD + 2, min(pictures * self._picture_bytes, MOST_ROOM))

    def _shares(self, epoch: int) -> Iterator[Share]:
        """What is left of an epoch; all of it where the position is in another."""
        plan = self.plan(epoch)
        for index in range(self.next_batch if epoch == self.epoch else 0, len(plan)):
            for part in range(self.parts):
                place = part * self.world_size + self.rank
                yield Share(epoch, index, plan.share(index, place, self.parts * self.world_size), part)

    def _check_failures(self, failures: list[Failure]) -> None:
        """Few failures are reported with their batch; more than the share stop the run."""
        self._failed += len(failures)
        allowed = self.max_failed * len(self.catalogue)
        here = max(allowed / self.world_size, min(1, int(allowed)))
        if failures and self._failed > here:
            last = failures[-1]
            raise VocoError(
                f"{self.catalogue.folder}/shards/{last.shard}: record {last.id} cannot be read ({last.reason});"
                f" with it {self._failed} failed, more than max_failed={self.max_failed} allows;"
                " fetch the shard again, or raise max_failed"
            )

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch received, ready for JSON."""
        return {"epoch": self.epoch, "next_batch": self.next_batch, "settings": self._settings()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a position; what decides the order of batches must be as it was then."""
        settings, then = self._settings(), state["settings"]
        if changed := sorted(
            name for name in settings.keys() | then.keys() if settings.get(name) != then.get(name)
        ):
            name = changed[0]
            raise VocoError(
                f"the position was saved with {name}={then.get(name)}, here it is {settings.get(name)};"
                " resume with the same data and settings, or begin a new run"
            )
        if not (state["epoch"] >= 0 and 0 <= state["next_batch"] < self.batches_per_epoch):
            raise VocoError(
                f"the position says batch {state['next_batch']} of epoch {state['epoch']}, but an epoch has"
                f" {self.batches_per_epoch} batches; resume from another checkpoint"
            )
        self.epoch, self.next_batch, self._failed = state["epoch"], state["next_batch"], 0

    def _settings(self) -> dict[str, Any]:
        """All that decides which record comes when."""
        chosen = {"data": self.catalogue.version, "split": self.split, "seed": self.seed, "places": self._places}
        return chosen | asdict(self.policy) | {"fps": self.reading.fps, "n_frames": self.reading.n_frames}


def expected_lengths(catalogue: Catalogue, reading: Reading, places: int) -> np.ndarray:
    """About how many tokens each record takes; `places` are those of one picture."""
    video = MEDIA_KINDS.index("video")
    frames = np.array([reading.pictures(duration) for duration in catalogue.durations.tolist()])
    pictures = np.where(catalogue.kinds == video, frames, catalogue.kinds == MEDIA_KINDS.index("image"))
    return catalogue.text_lengths / CHARACTERS_PER_TOKEN + places * pictures


def _check_videos(catalogue: Catalogue, reading: Reading) -> None:
    if reading.fps is None and reading.n_frames is None and (catalogue.kinds == MEDIA_KINDS.index("video")).any():
        raise VocoError(f"{catalogue.folder} has videos; give fps or n_frames, the frames to take from each")


def _as_it_is(batch: Any) -> Any:
    return batch


def _begin_worker(_: int) -> None:
    # A tokenizer's threads do not survive the fork, and each worker has one core in any case.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # What was there before the fork stays; looking through it for garbage again and again costs a fifth.
    gc.freeze()
    # Where a whole group of processes is asked to stop, the run finishes its step first, and needs its batches.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
