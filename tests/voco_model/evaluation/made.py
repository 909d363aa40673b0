"""Results with known figures, made without a model."""

import numpy as np

from voco_model.evaluation.items import Shares
from voco_model.evaluation.outcome import Outcome, Row
from voco_model.evaluation.statistics import interval


def shares(right: int, of: int = 40) -> Shares:
    """So many of 40 right, in an order that is not the same for all."""
    marks = np.zeros((of, 1))
    marks[np.random.default_rng(right).permutation(of)[:right]] = 1
    return Shares(marks, np.ones((of, 1)), [f"p{k // 2}" for k in range(of)], 100.0)


def outcome(name: str, title: str, right: dict[str, int], model: str = "m" * 64, parts=None, **about) -> Outcome:
    """One benchmark by how many of 40 each row has right."""
    rows = []
    for key, n_right in right.items():
        row, _, n = key.partition("_")
        own = shares(n_right)
        more = {part: shares(count) for part, count in (parts or {}).items()}
        rows.append(Row(row, int(n) if n else None, interval(own), {"accuracy": n_right / 40}, own, more))
    return Outcome(name, title, "accuracy", rows, {"model": model, "upper": "u" * 64, "read": 40, **about})
