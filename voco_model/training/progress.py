"""How a run is going: one line of figures for each report, on a terminal always the same line."""

import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TextIO

import torch

Report = dict[str, float | str]
MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}
MATRIX_REPEATS = 4


@lru_cache
def matrix_rate(device: str, dtype: torch.dtype) -> float:
    """Operations per second of one large matrix product here, the best of a few: what MFU is a share of."""
    side = MATRIX_SIDE[device]
    factors = torch.ones(2, side, side, device=device, dtype=dtype)
    best = 0.0
    for _ in range(MATRIX_REPEATS):
        start = time.perf_counter()
        torch.mm(factors[0], factors[1])[0, 0].item()  # waits for a GPU to be done
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best


def peak_memory(device: str) -> int:
    """Bytes at the highest: the GPU's, or this process's."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclass
class Split:
    """Where a step's seconds went."""

    data: float = 0.0
    forward: float = 0.0
    backward: float = 0.0
    whole: float = 0.0

    @property
    def optimiser(self) -> float:
        """What is left: clipping, the optimiser, the schedule, the trainer itself."""
        return self.whole - self.data - self.forward - self.backward


@dataclass
class Meter:
    """Adds up what happens between two reports."""

    stage: str
    steps: int
    device: str
    dtype: torch.dtype
    processes: int = 1
    operations_per_token: float | None = None
    """Counted once; None until then."""
    split: Split = field(default_factory=Split)
    tokens: int = 0
    samples: int = 0
    losses: dict[str, list[float]] = field(default_factory=dict)
    taken: int = 0
    began: float = field(default_factory=time.perf_counter)

    def step(self, losses: dict[str, float]) -> None:
        """One step is over, with its loss and what that is made of; none where it was skipped."""
        now = time.perf_counter()
        self.split.whole += now - self.began
        self.began = now
        self.taken += 1
        for name, loss in losses.items():
            self.losses.setdefault(name, []).append(loss)

    def report(self, step: int) -> Report:
        """The figures since the last report, and everything back to zero."""
        seconds, split, done = max(self.split.whole, 1e-9), self.split, max(self.taken, 1)
        figures: Report = {
            "stage": self.stage,
            "step": step,
            "steps": self.steps,
            "loss": float("nan"),  # unless a step was taken
            **{name: sum(losses) / len(losses) for name, losses in self.losses.items()},
            "tokens_per_second": self.tokens / seconds,
            "samples_per_second": self.samples / seconds,
            "mfu": self._used(seconds),
            "data_wait": split.data / seconds,
            "memory_bytes": peak_memory(self.device),
            "seconds_per_step": seconds / done,
            "eta_seconds": (self.steps - step) * seconds / done,
        }
        self.split, self.tokens, self.samples, self.losses, self.taken = Split(), 0, 0, {}, 0
        return figures

    def _used(self, seconds: float) -> float:
        """The share of the matrix rate that went into the model's operations."""
        operations = self.tokens / self.processes * (self.operations_per_token or 0.0)
        return operations / seconds / matrix_rate(self.device, self.dtype)


def line(report: Report) -> str:
    """A report in words."""
    r = {name: value for name, value in report.items() if not isinstance(value, str)}
    said = [
        f"{report['stage']} {r['step']:.0f}/{r['steps']:.0f}",
        f"loss {r['loss']:.4f}",
        f"{r['tokens_per_second']:,.0f} tokens/s",
        f"{r['samples_per_second']:,.1f} samples/s",
        f"MFU {r['mfu']:.0%}",
        f"data {r['data_wait']:.0%}",
        f"{r['memory_bytes'] / 2**30:.2f} GiB",
        f"ETA {_clock(r['eta_seconds'])}",
    ]
    if r.get("validation_loss") is not None:
        said.insert(2, f"validation {r['validation_loss']:.4f}")
    if r.get("skipped"):
        said.append(f"{r['skipped']:.0f} skipped")
    return "  ".join(said)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def show(stream: TextIO | None = None) -> Callable[[Report], None]:
    """A function that writes reports: over each other on a terminal, else line after line."""
    out = stream or sys.stderr

    def write(report: Report) -> None:
        text = line(report)
        if out.isatty():
            width = shutil.get_terminal_size().columns
            end = "\n" if report["step"] == report["steps"] else ""
            out.write(f"\r{text[: width - 1]}\x1b[K{end}")
        else:
            out.write(text + "\n")
        out.flush()

    return write
