"""SIGTERM, which a spot machine gets before it is taken away: the step is saved, the exit says "run again"."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PREEMPTED = 75
"""The exit status of a run that was told to stop and goes on when started again (EX_TEMPFAIL)."""


class Preempted(SystemExit):
    """Ends the process with status 75, unless somebody catches it; `str()` says from where it goes on."""

    def __init__(self, message: str) -> None:
        super().__init__(PREEMPTED)
        self.message = message

    def __str__(self) -> str:
        return self.message


class Preemption:
    """Whether this process was asked to stop.

    Outside `at_next_step()` there is nothing to save, and the process stops at once. A second SIGTERM changes
    nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._waits = False

    @contextmanager
    def watching(self) -> Iterator["Preemption"]:
        """Answer SIGTERM until the block ends. Only a process's main thread may; in another nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = signal.signal(signal.SIGTERM, self._answer)
        try:
            yield self
        finally:
            signal.signal(signal.SIGTERM, before)

    @contextmanager
    def at_next_step(self) -> Iterator[None]:
        """Within the block somebody looks at `asked` after each step."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def _answer(self, _: int, __: FrameType | None) -> None:
        if self.asked:
            return
        self.asked = True
        if not self._waits:
            raise Preempted("stopped by SIGTERM before the next checkpoint; run again to go on from the last one")
