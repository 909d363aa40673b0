"""Questions with their answers, and figures over them as sums of ratios, to be computed anew for any draw."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voco_model.evaluation.questions import Question

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Item:
    """One question with its answer."""

    question: Question
    answer: str | None
    """As it was given; None where there is none."""
    read: str
    """What the scorer reads out of it."""
    score: float
    """0 to 1, or what the benchmark's own measure gives to one question."""
    detail: Any = None
    """What else the scorer found, such as a judge's verdict."""


@dataclass(frozen=True)
class Shares:
    """A figure as a sum of ratios, so that it can be computed anew for resampled questions.

    figure = scale * sum over columns of (sum of numerators / sum of denominators)
    """

    numerators: np.ndarray
    denominators: np.ndarray
    clusters: list[str]
    """Which picture or clip each row is about."""
    scale: float = 1.0


def shares_of(items: Sequence[Item], scale: float = 100.0) -> Shares:
    """The mean of the scores."""
    scores = np.array([item.score for item in items], dtype=float).reshape(-1, 1)
    return Shares(scores, np.ones_like(scores), [item.question.group for item in items], scale)


def mean(values: Sequence[float], scale: float = 1.0) -> float:
    """As the official scorers average: nothing of nothing is 0."""
    return scale * (sum(values) / len(values)) if values else 0.0


def grouped(items: Iterable[Item], of: Callable[[Item], Any]) -> dict[Any, list[Item]]:
    """By what each is, in the order in which that first comes."""
    out: dict[Any, list[Item]] = {}
    for item in items:
        out.setdefault(of(item), []).append(item)
    return out


def by_fact(items: Iterable[Item], fact: str) -> dict[Any, list[Item]]:
    """The same by one of the questions' facts."""
    return grouped(items, lambda item: item.question.facts[fact])
