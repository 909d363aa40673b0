"""How far a run is: one line, again and again, on a terminal; else a line for each task that ends."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO

from pipelines.local.watching import Seen, clock, now

BAR = 20
FIRST_GUESS = 8.0
"""Seconds of a task that nothing is known of."""
SHOWN = ("loss", "tokens_per_second")


@dataclass
class Display:
    """Shows a run; `expected` are the tasks that are to come, with their seconds on an undisturbed machine."""

    expected: Mapping[str, float]
    out: TextIO = field(default_factory=lambda: sys.stderr)
    _began: float = field(default_factory=now)
    _told: set[str] = field(default_factory=set)
    _wide: int = 0

    def show(self, seen: Seen) -> None:
        """What is known now."""
        for task, seconds in seen.ended.items():
            if task not in self._told:
                self._told.add(task)
                self._end_line(task, seconds, len(self._told))
        if self.out.isatty():
            self._line(self.line(seen))

    def close(self) -> None:
        """The last line ends."""
        if self.out.isatty():
            self._line("")
            self.out.write("\r")
            self.out.flush()

    def line(self, seen: Seen) -> str:
        """Step i of n, bar, what is at work, time gone and to come."""
        n = max(len(self.expected), len(seen.ended) + len(seen.running))
        share = self.share(seen)
        filled = round(share * BAR)
        gone = now() - self._began
        left = f"  ETA {clock(gone / share - gone)}" if share > 0.03 else ""
        at = ", ".join(seen.running) or "starting"
        figures = "".join(f"  {name} {seen.figures[name]:.4g}" for name in SHOWN if name in seen.figures)
        step = min(n, len(seen.ended) + 1)
        return f"step {step} of {n}  {'█' * filled}{'░' * (BAR - filled)}  {at}{figures}  {clock(gone)}{left}"

    def share(self, seen: Seen) -> float:
        """How much of the expected work is done; tasks that the cache answered count for nothing."""
        cost = {
            task: self.expected.get(task, FIRST_GUESS) for task in {*self.expected, *seen.ended, *seen.running}
        }
        for task, seconds in seen.ended.items():
            if seconds == 0.0:
                cost.pop(task, None)
        total = sum(cost.values())
        done = sum(cost[task] for task in seen.ended if task in cost)
        done += sum(cost[task] * share for task, share in seen.running.items() if task in cost)
        return min(1.0, done / total) if total else 1.0

    def _end_line(self, task: str, seconds: float, number: int) -> None:
        took = "done before" if seconds == 0.0 else f"{seconds:7.1f} s"
        n = max(len(self.expected), number)
        text = f"[{number:>2}/{n}] {task:<24}{took}"
        if self.out.isatty():
            self._line(text)
            self._wide = 0
        self.out.write("\n" if self.out.isatty() else text + "\n")
        self.out.flush()

    def _line(self, text: str) -> None:
        columns = shutil.get_terminal_size().columns - 1
        text = text[:columns]
        self.out.write("\r" + text.ljust(min(self._wide, columns)))
        self.out.flush()
        self._wide = len(text)
