"""The same work for many numbers, by several processes, with results in order."""

import multiprocessing
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
CHUNK = 16


def in_parallel(
    work: Callable[[int], T], numbers: Sequence[int], workers: int, progress: Callable[[int], None]
) -> list[T]:
    """`work` of every number, in their order; `progress` is told how many were done."""
    if workers == 1 or len(numbers) <= CHUNK:
        return [_told(work(number), progress) for number in numbers]
    # Forked where that is possible: a script needs no main guard, and modules are not imported again.
    way = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    with multiprocessing.get_context(way).Pool(workers) as pool:
        return [_told(result, progress) for result in pool.imap(work, numbers, CHUNK)]


def _told(result: T, progress: Callable[[int], None]) -> T:
    progress(1)
    return result
