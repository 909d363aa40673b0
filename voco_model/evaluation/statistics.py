"""How sure a figure is: intervals by resampling pictures, retention and its bounds, paired comparisons.

    interval(result.shares())                                   # value, low, high
    retention(at_n.shares(), lower.shares(), upper.shares())    # all three resampled together
    compare(challenger.shares(), champion.shares()).verdict     # better, worse, not told apart

Whole pictures (or clips) are drawn, since questions about one of them are right or wrong together. Models are
compared on the same draws. Everything is on the tables' scale.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, log2
from statistics import NormalDist

import numpy as np

from voco_model.errors import VocoError
from voco_model.evaluation.items import Shares

RESAMPLES = 1000
LEVEL = 0.95
POWER = 0.8
"""How often a comparison of enough items would tell the two apart."""
_AT_ONCE = 1 << 22
"""Draws that are held at a time."""


@dataclass(frozen=True)
class Interval:
    """A figure with its bounds."""

    value: float
    low: float
    high: float
    level: float = LEVEL


@dataclass(frozen=True)
class Comparison:
    """One model against another on the same questions."""

    difference: Interval
    """First less second."""
    p_value: float
    test: str
    """What the verdict rests on: `McNemar` (exact), or `paired bootstrap`."""
    verdict: str
    """better, worse or not told apart: the first, seen from the second."""
    items: int
    needed: int | None
    """How many items it would take to tell apart a difference like this; None where there is none."""

    def __str__(self) -> str:
        d = self.difference
        told = f"{self.verdict}: {d.value:+.2f} [{d.low:+.2f}, {d.high:+.2f}], {self.test}, p = {self.p_value:.3g}"
        if self.verdict != UNDECIDED:
            return told
        enough = "the two agree" if self.needed is None else f"it would take about {self.needed:,} items"
        return f"{told}; {enough}, there are {self.items:,}"


BETTER, WORSE, UNDECIDED = "better", "worse", "not told apart"


def interval(shares: Shares, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0) -> Interval:
    """The headline with its bootstrap interval."""
    drawn = _resampled([shares], resamples, seed)[0]
    return _bounded(_value(shares), drawn, level)


def retention(
    result: Shares, lower: Shares, upper: Shares, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> Interval:
    """(result - lower) / (upper - lower) in percent, its interval with the bounds' own uncertainty in it."""
    point, drawn = _retained(result, lower, upper, resamples, seed)
    return _bounded_if_apart(point, drawn, level)


def mean_retention(
    benchmarks: Sequence[tuple[Shares, Shares, Shares]],
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """The mean of several benchmarks' retention, from each one's (result, lower, upper), resampled by itself."""
    found = [_retained(*shares, resamples, seed + k) for k, shares in enumerate(benchmarks)]
    drawn = np.mean([draws for _, draws in found], axis=0)
    return _bounded_if_apart(float(np.mean([point for point, _ in found])), drawn, level)


def retention_difference(
    first: Sequence[tuple[Shares, Shares, Shares]],
    second: Sequence[tuple[Shares, Shares, Shares]],
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """The first's mean retention less the second's, on the same benchmarks and the same draws of pictures."""
    if [one[0].clusters for one in first] != [other[0].clusters for other in second]:
        raise VocoError("retention on different questions cannot be compared; score the same questions for both")
    points, draws = [], []
    for model in (first, second):
        found = [_retained(*shares, resamples, seed + k) for k, shares in enumerate(model)]
        points.append(float(np.mean([point for point, _ in found])))
        draws.append(np.mean([drawn for _, drawn in found], axis=0))
    return _bounded_if_apart(points[0] - points[1], draws[0] - draws[1], level)


def _retained(result: Shares, lower: Shares, upper: Shares, resamples: int, seed: int) -> tuple[float, np.ndarray]:
    """Retention, and for each resample what it would be: NaN where the bounds change places."""
    value, least, most = _value(result), _value(lower), _value(upper)
    if most <= least:
        raise VocoError(
            f"retention: the upper bound ({most:.2f}) is not above the lower bound ({least:.2f}), so nothing can "
            "be retained; check which model is which, or train the upper bound longer"
        )
    got, low, high = _resampled([result, lower, upper], resamples, seed)
    apart = np.where(high > low, high - low, np.nan)
    return 100 * (value - least) / (most - least), 100 * (got - low) / apart


def _bounded_if_apart(point: float, drawn: np.ndarray, level: float) -> Interval:
    """An interval without end where so many resamples have no retention that the bounds cannot be told apart."""
    told = drawn[~np.isnan(drawn)]
    if len(told) < len(drawn) * (1 + level) / 2:
        return Interval(point, -np.inf, np.inf, level)
    return _bounded(point, told, level)


def compare(
    first: Shares, second: Shares, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = 0
) -> Comparison:
    """Paired, with a verdict in words and how many items it would take."""
    ours, theirs = _resampled([first, second], resamples, seed)
    drawn = ours - theirs
    difference = _bounded(_value(first) - _value(second), drawn, level)
    if _independent_and_binary(first, second):
        test, p_value = "McNemar", mcnemar(first.numerators[:, 0], second.numerators[:, 0])
    else:
        beyond = min(np.sum(drawn <= 0), np.sum(drawn >= 0))
        test, p_value = "paired bootstrap", min(1.0, 2 * (float(beyond) + 1) / (resamples + 1))
    differing = _differing(first, second)
    p_value = max(p_value, min(1.0, 0.5 ** (differing - 1)))  # a few pictures all one way may be chance yet
    decided = p_value < 1 - level
    verdict = (BETTER if difference.value > 0 else WORSE) if decided and difference.value else UNDECIDED
    items = len(first.clusters)
    needed = needed_items(difference.value, drawn, items, level)
    if needed is not None and verdict == UNDECIDED:
        enough = ceil(1 - log2(1 - level))  # of so many pictures that differ, all one way is beyond chance
        needed = max(needed, ceil(items * enough / max(differing, 1)) if differing < enough else 0)
    return Comparison(difference, p_value, test, verdict, items, needed)


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """The exact two-sided p-value: of the items that only one model has right, is either's share beyond chance?"""
    gained, lost = int(np.sum(first > second)), int(np.sum(first < second))
    n, fewer = gained + lost, min(gained, lost)
    if n == 0:
        return 1.0
    term = tail = 1
    for k in range(fewer):
        term = term * (n - k) // (k + 1)
        tail += term
    return min(1.0, float(Fraction(2 * tail, 2**n)))


def needed_items(difference: float, drawn: np.ndarray, items: int, level: float = LEVEL) -> int | None:
    """Items for which a difference like this would be told apart with a power of 80 %, were all else alike."""
    if not difference:
        return None
    normal = NormalDist()
    wanted = normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(POWER)
    return max(1, ceil(items * (wanted * float(np.std(drawn)) / abs(difference)) ** 2))


def _value(shares: Shares) -> float:
    return float(
        _headline(shares.numerators.sum(0, keepdims=True), shares.denominators.sum(0, keepdims=True), shares)[0]
    )


def _headline(tops: np.ndarray, bottoms: np.ndarray, shares: Shares) -> np.ndarray:
    """One figure for each row of sums; a column of which nothing was drawn keeps the value it has over all."""
    whole = shares.denominators.sum(0)
    known = np.divide(shares.numerators.sum(0), whole, out=np.zeros(len(whole)), where=whole > 0)
    ratios = np.divide(tops, bottoms, out=np.tile(known, (len(tops), 1)), where=bottoms > 0)
    return np.asarray(shares.scale * ratios.sum(1))


def _resampled(models: Sequence[Shares], resamples: int, seed: int) -> list[np.ndarray]:
    """Each model's headline for the same draws of pictures."""
    clusters = models[0].clusters
    if not clusters:
        raise VocoError("there are no scored questions to compute an interval of; score some first")
    if any(other.clusters != clusters for other in models[1:]):
        raise VocoError(
            "results of different questions cannot be compared; score the same questions for all of them"
        )
    names = {name: i for i, name in enumerate(dict.fromkeys(clusters))}
    rows = np.array([names[name] for name in clusters])
    sums = [
        (_by_cluster(m.numerators, rows, len(names)), _by_cluster(m.denominators, rows, len(names)))
        for m in models
    ]
    out: list[list[np.ndarray]] = [[] for _ in models]
    for weights in _draws(len(names), resamples, seed):
        for figures, model, (tops, bottoms) in zip(out, models, sums, strict=True):
            figures.append(_headline(weights @ tops, weights @ bottoms, model))
    return [np.concatenate(figures) for figures in out]


def _by_cluster(values: np.ndarray, rows: np.ndarray, clusters: int) -> np.ndarray:
    return np.stack([np.bincount(rows, column, clusters) for column in values.T], axis=1)


def _draws(clusters: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each cluster is drawn, a row for each resample."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _AT_ONCE // clusters)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn = rng.integers(clusters, size=(count, clusters)) + np.arange(count)[:, None] * clusters
        yield np.bincount(drawn.ravel(), minlength=count * clusters).reshape(count, clusters).astype(float)


def _bounded(value: float, drawn: np.ndarray, level: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), level)


def _differing(first: Shares, second: Shares) -> int:
    """Of how many pictures the two models' answers are worth different things."""
    unlike = np.any(first.numerators != second.numerators, axis=1)
    unlike |= np.any(first.denominators != second.denominators, axis=1)
    return len({name for name, own in zip(first.clusters, unlike, strict=True) if own})


def _independent_and_binary(first: Shares, second: Shares) -> bool:
    """Whether McNemar's test applies: single right or wrong answers, each about a picture of its own."""
    if first.numerators.shape[1] != 1 or len(set(first.clusters)) != len(first.clusters):
        return False
    return all(
        bool(np.all(m.denominators == 1)) and bool(np.all((m.numerators == 0) | (m.numerators == 1)))
        for m in (first, second)
    )
