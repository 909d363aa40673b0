"""The data of a run: micro batches without end, from one or several data sets, with an exact position."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from voco_model.data.collating import Reading, TrainingBatch
from voco_model.data.grouping import BatchPolicy
from voco_model.data.loading import TrainingLoader
from voco_model.processing.processor import VocoProcessor
from voco_model.training.recipe import Data


class Stream:
    """What one rank reads, step after step. A step reads from one data set.

    Every data set gives as many steps of a pass as it has batches, in an order drawn from the seed; so a pass
    over all reads every record once, at any world size and any number of micro batches.
    """

    def __init__(
        self,
        data: Data,
        processor: VocoProcessor,
        *,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        parts: int = 1,
        split: str | None = None,
    ) -> None:
        """parts: the micro batches of a step. split: instead of the recipe's."""
        self.seed, self.parts = seed, parts
        self.steps_taken = 0
        reading = Reading(fps=data.fps, n_frames=data.n_frames, max_length=data.max_length)
        policy = BatchPolicy(data.batch_size, data.questions_per_image)
        self.loaders = [
            TrainingLoader(
                folder,
                processor,
                policy,
                reading,
                seed=seed,
                rank=rank,
                world_size=world_size,
                workers=-(-data.workers // len(data.folders)),
                split=split or data.split,
                max_failed=data.max_failed,
                parts=parts,
            )
            for folder in data.folders
        ]

    @property
    def steps_per_pass(self) -> int:
        """Optimiser steps in which every record comes once."""
        return sum(loader.batches_per_epoch for loader in self.loaders)

    def __iter__(self) -> Iterator[TrainingBatch]:
        """Micro batches from the position on; they never end."""
        readers = [loader.endless() for loader in self.loaders]
        while True:
            number, place = divmod(self.steps_taken, self.steps_per_pass)
            for source in self._order(number)[place:]:
                for part in range(self.parts):
                    batch = next(readers[source])
                    batch.source = source
                    self.steps_taken += part == self.parts - 1
                    yield batch

    def one_pass(self) -> Iterator[TrainingBatch]:
        """Every record once, data set after data set."""
        for loader in self.loaders:
            loader.epoch = loader.next_batch = 0
            yield from loader

    def _order(self, number: int) -> list[int]:
        """Which data set each step of a pass reads."""
        sources = np.repeat(np.arange(len(self.loaders)), [x.batches_per_epoch for x in self.loaders])
        return np.random.default_rng([self.seed, number]).permutation(sources).tolist()

    def state_dict(self) -> dict[str, Any]:
        """The position after the last whole step, ready for JSON."""
        return {"steps_taken": self.steps_taken, "loaders": [loader.state_dict() for loader in self.loaders]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a position."""
        for loader, position in zip(self.loaders, state["loaders"], strict=True):
            loader.load_state_dict(position)
        self.steps_taken = state["steps_taken"]
