"""Measuring on a busy machine: interleaved repeats, medians of ratios, memory in a process of its own."""

import gc
import statistics
import time
from collections.abc import Callable

import torch

Work = Callable[[], object]


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(work: Work) -> float:
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - start


def interleaved(works: dict[str, Work], repeats: int) -> dict[str, list[float]]:
    """Each piece of work in turn, again and again, after one warm-up each: A B C A B C ..."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    gc.disable()
    for _ in range(repeats):
        for name, work in works.items():
            times[name].append(seconds(work))
    gc.enable()
    return times


def ratio(times: dict[str, list[float]], over: str, under: str) -> dict[str, float]:
    """`over / under`, pair by pair: the median, and the quartiles as its spread."""
    pairs = [a / b for a, b in zip(times[over], times[under], strict=True)]
    low, _, high = statistics.quantiles(pairs, n=4) if len(pairs) > 1 else (pairs[0],) * 3
    return {"median": statistics.median(pairs), "low": low, "high": high}


def medians(times: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in times.items()}


def resident_bytes(field: str = "VmRSS") -> int:
    """Memory of this process: now (VmRSS) or at its highest (VmHWM)."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) * 1024


class PeakMemory:
    """Highest memory since the beginning of the block, over what stood before it."""

    def __enter__(self) -> "PeakMemory":
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        else:
            self.before = resident_bytes()
        return self

    def __exit__(self, *_: object) -> None:
        high = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else resident_bytes("VmHWM")
        self.bytes = high - self.before
