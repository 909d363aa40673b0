"""Which records make which batch of an epoch: shuffled, near each other in the shards, of like length.

The plan knows nothing of ranks and workers, so that an epoch can be resumed with any number of either.
"""

from dataclasses import dataclass

import numpy as np

from voco_model.data.catalogue import Catalogue
from voco_model.errors import VocoError


@dataclass(frozen=True)
class BatchPolicy:
    """How batches are made. A group is the records that are read together about one image, video, or text."""

    batch_size: int
    """Groups in a batch, over all ranks."""
    questions_per_image: int = 1
    """The most records that a group takes; more records of one image make several groups."""
    shards_at_once: int = 8
    """Shards that are mixed with each other, and so are read from at one time."""
    sorted_batches: int = 50
    """Batches that are sorted by length together. More give less padding and less chance."""
    drop_last: bool = False
    """Whether to leave out the epoch's last batch where it is not full."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "questions_per_image", "shards_at_once", "sorted_batches"):
            if getattr(self, name) < 1:
                raise VocoError(f"{name} is {getattr(self, name)}; give 1 or more")


@dataclass(frozen=True)
class EpochPlan:
    """The batches of one epoch, in order."""

    records: np.ndarray
    """Every record, group after group."""
    bounds: np.ndarray
    """Where each group begins in `records`, and where the last one ends."""
    groups: np.ndarray
    """Every group, batch after batch."""
    batch_size: int

    def __len__(self) -> int:
        return -(-len(self.groups) // self.batch_size)

    def batch(self, index: int) -> list[list[int]]:
        """The groups of a batch, each a list of records."""
        chosen = self.groups[index * self.batch_size : (index + 1) * self.batch_size]
        return [self.records[self.bounds[g] : self.bounds[g + 1]].tolist() for g in chosen]

    def share(self, index: int, rank: int, world_size: int) -> list[list[int]]:
        """One rank's groups of a batch; the shares differ by one group at most."""
        return self.batch(index)[rank::world_size]


def plan_epoch(catalogue: Catalogue, lengths: np.ndarray, policy: BatchPolicy, seed: int, epoch: int) -> EpochPlan:
    """The batches of an epoch, the same for the same arguments.

    lengths: how long each record is expected to be, in any unit.
    """
    chance = np.random.default_rng([seed, epoch])
    records, starts = _groups(catalogue.media, policy.questions_per_image, chance)
    first = records[starts]
    longest = np.maximum.reduceat(lengths[records], starts)
    groups, windows = _by_window(catalogue.shards[first], len(catalogue.shard_names), policy, chance)
    size = policy.batch_size
    full = len(groups) // size * size
    # What is left of a window is not a batch: it moves on, so that only the epoch's last batch can be short.
    ends = np.unique(np.searchsorted(windows, np.arange(windows[-1] + 1), side="right") // size * size)
    pieces = np.searchsorted(ends, np.arange(0, full, size), side="right")
    firsts = np.searchsorted(pieces, pieces, side="left")
    blocks = (np.arange(len(pieces)) - firsts) // policy.sorted_batches
    sorting = groups[:full]
    by_length = np.lexsort(
        (longest[sorting], catalogue.kinds[first[sorting]], np.repeat(blocks, size), np.repeat(pieces, size))
    )
    batches = sorting[by_length].reshape(-1, size)[_shuffled_within(pieces, chance)].reshape(-1)
    last = groups[full:full] if policy.drop_last else groups[full:]
    return EpochPlan(records, np.append(starts, len(records)), np.concatenate([batches, last]), size)


def _groups(media: np.ndarray, most: int, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Records with those of the same media side by side, in random order, and where each group begins."""
    records = chance.permutation(len(media))
    records = records[np.argsort(media[records], kind="stable")]
    shown = media[records]
    place = np.arange(len(shown))
    begins = np.append(True, shown[1:] != shown[:-1])
    since = place - np.maximum.accumulate(np.where(begins, place, 0))
    return records, np.flatnonzero(since % most == 0)


def _by_window(
    shards: np.ndarray, n_shards: int, policy: BatchPolicy, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """All groups in random order within windows of random shards, and the window of each."""
    turn = np.empty(n_shards, dtype=np.int64)
    turn[chance.permutation(n_shards)] = np.arange(n_shards)
    windows = turn[shards] // policy.shards_at_once
    groups = _shuffled_within(windows, chance)
    return groups, windows[groups]


def _shuffled_within(parts: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """All indices, part after part, in random order within each."""
    order = chance.permutation(len(parts))
    return order[np.argsort(parts[order], kind="stable")]
