"""What a local run's log says, as it grows: which tasks began, how far they are, what they made."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.stepping.events import heard

FAILED = re.compile(r"^\s*voco: error: (?P<reason>.*)")


EXIT = "notify"


@dataclass
class Seen:
    """A run as far as it is known."""

    running: dict[str, float] = field(default_factory=dict)
    """Tasks at work, with the share that is done."""
    ended: dict[str, float] = field(default_factory=dict)
    """Seconds of the tasks that are done; 0 where an earlier run had done them."""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    """Task to the paths of what it made."""
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    """Task to its short texts."""
    figures: dict[str, float] = field(default_factory=dict)
    """The last figures of the task that spoke last."""
    error: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether nothing was said to go wrong, and whatever began has ended.

        KFP alone cannot be asked: of a container that is gone before it was waited for, it says that it did well.
        """
        return self.error is None and not self.running

    def take(self, event: dict[str, Any]) -> None:
        """One event of a step."""
        task = event["task"]
        if event["event"] == "started":
            self.running[task] = 0.0
        elif event["event"] == "figures":
            self.figures = event["figures"]
            self.running[task] = float(self.figures.get("share", self.running.get(task, 0.0)))
        elif event["event"] == "ended":
            self.running.pop(task, None)
            self.ended[task] = float(event["seconds"])
            self.outputs[task], self.values[task] = event["outputs"], event["values"]
            if task != EXIT:  # which comes behind a failure too
                self.error = None  # of a try before this one


@dataclass
class Watch:
    """Reads a log that another process writes."""

    log: Path
    seen: Seen = field(default_factory=Seen)
    _at: int = 0
    _rest: str = ""

    def look(self) -> Seen:
        """Everything that was written since."""
        for line in self._lines():
            if event := heard(line):
                self.seen.take(dict(event))
            elif said := FAILED.match(line):
                self.seen.error = said["reason"]
        return self.seen

    def _lines(self) -> Iterator[str]:
        if not self.log.is_file():
            return
        with self.log.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        self._at += len(data)
        *whole, self._rest = (self._rest + data.decode("utf-8", "replace")).split("\n")
        yield from whole


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def now() -> float:
    """For spans of time."""
    return time.monotonic()
