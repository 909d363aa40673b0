"""Measuring for the benchmarks: time as the library does it, and memory in a process of its own."""

import gc

import torch

from voco_model.profiling.timing import interleaved, medians, ratio

__all__ = ["PeakMemory", "interleaved", "medians", "ratio", "resident_bytes"]


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
