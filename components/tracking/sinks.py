"""Where a step's figures, tags and files go: nowhere, into a spool, or to MLflow at once."""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from components.tracking.figures import tracking_uri
from voco_model.errors import VocoError

Numbers = Mapping[str, float]
Texts = Mapping[str, str]


class Sink(Protocol):
    """One task's run, while it lasts."""

    def start(self, parameters: Texts, tags: Texts) -> None:
        """What the task was given."""

    def inputs(self, inputs: Texts) -> None:
        """What the task reads, by sha256."""

    def figures(self, step: int, numbers: Numbers) -> None:
        """Figures, and the step that they belong to."""

    def tags(self, tags: Texts) -> None:
        """Short texts that are known later."""

    def files(self, paths: Sequence[Path]) -> None:
        """Records and pages to keep."""

    def end(self, status: str) -> None:
        """FINISHED or FAILED."""


class NoSink:
    """Where nothing is configured."""

    def start(self, parameters: Texts, tags: Texts) -> None: ...

    def inputs(self, inputs: Texts) -> None: ...

    def figures(self, step: int, numbers: Numbers) -> None: ...

    def tags(self, tags: Texts) -> None: ...

    def files(self, paths: Sequence[Path]) -> None: ...

    def end(self, status: str) -> None: ...


class SpoolSink:
    """Events as lines of a file, each on disk before the step goes on; `replay` sends them.

    The file's name is the task's and this attempt's, so that attempts are runs of their own.
    """

    def __init__(self, folder: Path, task: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._task = task
        stem = re.sub(r"\W+", "-", task)
        self._file = (folder / f"{time.time_ns()}-{stem}-{os.getpid()}.jsonl").open("ab", buffering=0)

    def start(self, parameters: Texts, tags: Texts) -> None:
        self._write("start", task=self._task, parameters=dict(parameters), tags=dict(tags))

    def inputs(self, inputs: Texts) -> None:
        self._write("inputs", inputs=dict(inputs))

    def figures(self, step: int, numbers: Numbers) -> None:
        self._write("figures", step=step, numbers=dict(numbers))

    def tags(self, tags: Texts) -> None:
        self._write("tags", tags=dict(tags))

    def files(self, paths: Sequence[Path]) -> None:
        self._write("files", paths=[str(path.absolute()) for path in paths])

    def end(self, status: str) -> None:
        self._write("end", status=status)
        self._file.close()

    def _write(self, event: str, **more: Any) -> None:
        line = json.dumps({"event": event, "time": int(time.time() * 1000), **more}) + "\n"
        self._file.write(line.encode())
        os.fsync(self._file.fileno())


@contextmanager
def sink_for(task: str) -> Iterator[Sink]:
    """The task's sink: a spool where VOCO_SPOOL names one, MLflow where MLFLOW_TRACKING_URI does, else none."""
    sink = _sink(task)
    try:
        yield sink
    except BaseException:
        with suppress(VocoError):  # that MLflow is away must not hide why the step failed
            sink.end("FAILED")
        raise
    sink.end("FINISHED")


def _sink(task: str) -> Sink:
    if spool := os.environ.get("VOCO_SPOOL"):
        return SpoolSink(Path(spool), task)
    if uri := tracking_uri():
        from components.tracking.runs import MlflowSink

        return MlflowSink.new(uri, task, os.environ.get("VOCO_RUN"))
    return NoSink()
