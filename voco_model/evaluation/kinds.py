"""What each type of question scores, by each way of reading."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from voco_model.errors import VocoError
from voco_model.evaluation.items import Shares
from voco_model.evaluation.outcome import ITEMS
from voco_model.evaluation.statistics import Interval, interval

ALL = "all questions"
"""Where a benchmark knows no types."""
COLUMNS = ("reading", "kind", "category", "group", "score")
MOST = 24
"""Types of a benchmark that are shown, the most frequent ones."""


@dataclass(frozen=True)
class Kind:
    """One type of question: the mean of what its answers are worth, in percent."""

    name: str
    questions: int
    by_reading: dict[str, Interval] = field(default_factory=dict)
    """By the names of rows: voco_4, upper, lower."""


def kinds_of(folder: Path, readings: Sequence[str], most: int = MOST) -> list[Kind]:
    """From an evaluation's items; the questions that count, types by their frequency."""
    wanted = [("reading", "in", list(readings)), ("counts", "==", True)]
    try:
        items = pq.read_table(folder / ITEMS, columns=list(COLUMNS), filters=wanted).to_pydict()
    except (OSError, pa.ArrowException) as error:
        raise VocoError(f"{folder / ITEMS}: not an evaluation's items ({error}); run `voco eval` again") from None
    return _kinds(items, most)


def _kinds(items: dict[str, list], most: int) -> list[Kind]:
    parts: dict[str, dict[str, list[tuple[float, str]]]] = {}
    for reading, kind, category, group, score in zip(*(items[name] for name in COLUMNS), strict=True):
        parts.setdefault(kind or category or ALL, {}).setdefault(reading, []).append((score, group))
    by_size = sorted(parts.items(), key=lambda pair: (-max(map(len, pair[1].values())), pair[0]))
    return [
        Kind(name, max(map(len, own.values())), {reading: _interval(rows) for reading, rows in own.items()})
        for name, own in by_size[:most]
    ]


def _interval(rows: Sequence[tuple[float, str]]) -> Interval:
    scores = np.array([[score] for score, _ in rows], dtype=float)
    return interval(Shares(scores, np.ones_like(scores), [group for _, group in rows], 100.0))
