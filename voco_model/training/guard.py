"""Steps gone wrong: a loss that is no number, or far above the last ones. They are skipped and written down."""

import json
import math
import statistics
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voco_model.errors import VocoError
from voco_model.training.recipe import Guard as Settings

MEMORY = 50
"""Losses whose median a new one is held to."""
FEWEST = 10
"""Losses before which nothing is called a spike: the first steps fall too fast to compare."""


@dataclass
class History:
    """The losses of the steps that read from one data set; another may be well learned by then, or not at all."""

    losses: deque[float] = field(default_factory=lambda: deque(maxlen=MEMORY))
    began: float | None = None
    """What losses were at first. A lower one is no spike, however far below it others are by now: what it asks is
    not learned yet, and would never be if it were skipped."""

    def spike(self, loss: float, times: float) -> str | None:
        """Why a loss is one, or nothing."""
        if len(self.losses) < FEWEST:
            return None
        median = statistics.median(self.losses)
        above = loss > max(times * median, self.began or 0.0)
        return f"loss {loss:.4g} is a spike over the median of {median:.4g}" if above else None

    def add(self, loss: float) -> None:
        """A step was taken."""
        self.losses.append(loss)
        if self.began is None and len(self.losses) == FEWEST:
            self.began = statistics.median(self.losses)


class Guard:
    """Asked before each optimiser step; all ranks ask with the same numbers and so get the same answer."""

    def __init__(self, settings: Settings, path: Path) -> None:
        """path: the file that the records of skipped steps are written to, one line for each."""
        self.settings, self.path = settings, path
        self.histories: defaultdict[int, History] = defaultdict(History)
        """By data set, as the recipe counts them: a step reads from one."""
        self.losses: deque[float] = deque(maxlen=MEMORY)
        """Of the last steps, whatever they read."""
        self.skipped = 0

    def fault(self, loss: float, gradient: float = 0.0, source: int = 0) -> str | None:
        """What is wrong with a step, or nothing. source: the data set that it read from."""
        if not math.isfinite(loss):
            return f"loss is {loss}"
        if not math.isfinite(gradient):
            return f"the gradient's norm is {gradient}"
        return self.histories[source].spike(loss, self.settings.spike)

    def passed(self, loss: float, source: int = 0) -> None:
        """A step was taken."""
        self.histories[source].add(loss)
        self.losses.append(loss)

    def skip(self, step: int, fault: str, ids: list[str]) -> None:
        """A step was not taken; `ids` are this rank's records in it. Stops the run when there were too many."""
        self.skipped += 1
        line = json.dumps({"step": step, "fault": fault, "ids": ids}, ensure_ascii=False)
        with open(self.path, "a", encoding="utf-8") as file:  # whole lines: ranks may write to the same file
            file.write(line + "\n")
        if self.skipped > self.settings.most:
            raise VocoError(
                f"step {step}: {fault}; with it {self.skipped} steps were skipped, more than guard.most="
                f"{self.settings.most} allows; look at the records in {self.path}, or lower optimiser.lr"
            )

    def state_dict(self) -> dict[str, Any]:
        """What it remembers, ready for JSON."""
        known = {str(source): [list(one.losses), one.began] for source, one in self.histories.items()}
        return {"histories": known, "losses": list(self.losses), "skipped": self.skipped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what was remembered."""
        self.histories.clear()
        for source, (losses, began) in state["histories"].items():
            self.histories[int(source)] = History(deque(losses, maxlen=MEMORY), began)
        self.losses = deque(state["losses"], maxlen=MEMORY)
        self.skipped = state["skipped"]
