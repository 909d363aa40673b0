"""Which records resemble which: duplicates within a data set, and pictures that are a benchmark's."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contracts import near
from data.contracts.benchmarks import ImageList

NOTHING = -1


class Likeness(NamedTuple):
    """What every record resembles."""

    label: str
    """How it resembles it."""
    applies: np.ndarray
    """The records that were compared."""
    place: np.ndarray
    """The place of what it resembles, or NOTHING."""
    names: Sequence[str]
    """What is at each place."""


def exact_duplicates(frame: pd.DataFrame, said: np.ndarray | None) -> Likeness:
    """Records with the media of an earlier one; where `said` numbers the texts, those with the text as well."""
    rows = np.arange(len(frame))
    keys = pd.DataFrame({"digest": pd.factorize(frame["digest"])[0], "row": rows})
    applies = np.ones(len(frame), bool) if said is not None else (keys["digest"] >= 0).to_numpy()
    keys["said"] = said if said is not None else 0
    first = keys.groupby(["digest", "said"], sort=False)["row"].transform("min").to_numpy()
    label = "same media and text as an earlier record" if said is not None else "same media as an earlier record"
    return Likeness(label, applies, np.where(applies & (first < rows), first, NOTHING), frame["id"])


class Pictures:
    """Perceptual hashes of a data set beside those of benchmarks, and all near pairs among them."""

    def __init__(self, column: pa.ChunkedArray, benchmarks: Sequence[ImageList], distance: int) -> None:
        hashes, self.telling = near.hashes_of(column)
        own = np.unique(hashes[self.telling])
        self.theirs = np.concatenate([np.empty(0, np.uint64), *(images.hashes for images in benchmarks)])
        self.names = [name for images in benchmarks for name in images.hash_names]
        self.all = np.union1d(own, self.theirs)
        self.is_own, self.is_theirs = np.isin(self.all, own), np.isin(self.all, self.theirs)
        self.pairs = near.near_pairs(self.all, distance)
        self.place = np.searchsorted(self.all, hashes[self.telling])
        """Of the records with a telling hash: where it stands among all."""

    def near_duplicates(self, frame: pd.DataFrame) -> Likeness:
        """Records that look like an earlier one of other bytes, directly or by way of others between them."""
        one, other = self.pairs
        within = self.is_own[one] & self.is_own[other]
        group = near.groups(len(self.all), one[within], other[within])[self.place]
        rows, digests = np.flatnonzero(self.telling), pd.factorize(frame["digest"])[0]
        first = pd.Series(rows).groupby(group).transform("min").to_numpy(dtype=np.int64)
        place = np.full(len(frame), NOTHING)
        place[rows] = np.where(digests[rows] != digests[first], first, NOTHING)
        return Likeness("looks like an earlier record", self.telling, place, frame["id"])

    def leaks(self, known: np.ndarray) -> Likeness:
        """Records that look like a benchmark's picture, but for those `known` to be one byte for byte."""
        one, other = self.pairs
        partner = np.full(len(self.all), NOTHING)
        for left, right in ((one, other), (other, one)):
            partner[left[self.is_theirs[right]]] = right[self.is_theirs[right]]
        partner[self.is_theirs] = np.flatnonzero(self.is_theirs)
        place = np.full(len(known), NOTHING)
        place[self.telling] = partner[self.place]
        place[known] = NOTHING
        looks = place != NOTHING
        order = np.argsort(self.theirs, kind="stable")
        place[looks] = order[np.searchsorted(self.theirs[order], self.all[place[looks]])]
        return Likeness(
            "looks like a benchmark's picture or clip", self.telling & bool(len(self.theirs)), place, self.names
        )


def digest_leaks(frame: pd.DataFrame, benchmarks: Sequence[ImageList]) -> Likeness:
    """Records whose media file is a benchmark's."""
    digests = [digest for images in benchmarks for digest in images.digests]
    names = [name for images in benchmarks for name in images.digest_names]
    first = dict(zip(reversed(digests), range(len(digests) - 1, -1, -1), strict=True))
    place = frame["digest"].astype(object).map(first).fillna(NOTHING).to_numpy(dtype=np.int64)
    return Likeness(
        "is a benchmark's picture or clip", frame["digest"].notna().to_numpy() & bool(first), place, names
    )
