"""Doing something again and again beside other work, and once more at its end."""

import threading
from collections.abc import Callable


class Repeating:
    """A thread that calls a function every so often from `start` to `stop`, the last time when it is stopped."""

    def __init__(self, work: Callable[[bool], bool], every: float) -> None:
        """work: is told whether it is the last time, and says whether to go on."""
        self._work, self._every, self._over = work, every, threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, longest: float | None = None) -> None:
        """Wait for the last time; no longer than so many seconds."""
        self._over.set()
        self._thread.join(longest)

    def _go_on(self) -> None:
        last = False
        while not last:
            last = self._over.wait(self._every)
            if not self._work(last):
                return
