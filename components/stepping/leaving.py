"""The end of a step's own process: at once, where taking Python and torch apart takes a second or two."""

import atexit
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NoReturn

EXECUTOR = "kfp.dsl.executor_main"
"""What KFP starts for a task and nothing else."""


@contextmanager
def leaves_at_once() -> Iterator[None]:
    """What is done within is all that the process is for; where it ended well, nothing is taken apart after it.

    Begin before anything heavy is imported: what libraries ask to be done at the end then still comes first.
    A failure, within or later, ends the process as ever, with its traceback and status. Elsewhere than in a
    task's own process nothing happens.
    """
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None or spec.name != EXECUTOR:
        yield
        return
    end = _End()
    yield
    end.well = True


class _End:
    def __init__(self) -> None:
        self.well = False
        self._usual, self._exit = sys.excepthook, sys.exit
        sys.excepthook, sys.exit = self._failed, self._exits
        atexit.register(self._leave)

    def _failed(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self.well = False
        self._usual(kind, error, trace)

    def _exits(self, status: Any = None) -> NoReturn:
        self.well = False
        self._exit(status)

    def _leave(self) -> None:
        if not self.well:
            return
        if "multiprocessing" in sys.modules:
            import multiprocessing  # its own end comes after this one, and so never

            for child in multiprocessing.active_children():
                child.kill()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
