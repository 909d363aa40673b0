"""Measuring on a busy machine: interleaved repeats, medians of ratios."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping

import torch

Work = Callable[[], object]


def synchronise() -> None:
    """Wait for what a GPU was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(work: Work) -> float:
    """One run."""
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - start


def interleaved(works: Mapping[str, Work], repeats: int) -> dict[str, list[float]]:
    """Each piece of work in turn, again and again, after one warm-up each: A B C A B C ..."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(repeats):
            for name, work in works.items():
                times[name].append(seconds(work))
    finally:
        if collecting:
            gc.enable()
    return times


def ratio(times: Mapping[str, list[float]], over: str, under: str) -> dict[str, float]:
    """`over / under`, pair by pair: the median, and the quartiles as its spread."""
    pairs = [a / b for a, b in zip(times[over], times[under], strict=True)]
    return spread(pairs)


def spread(values: list[float]) -> dict[str, float]:
    """The median, and the quartiles."""
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else (values[0],) * 3
    return {"median": statistics.median(values), "low": low, "high": high}


def medians(times: Mapping[str, list[float]]) -> dict[str, float]:
    """Each work's."""
    return {name: statistics.median(values) for name, values in times.items()}
