"""Sending a spool on to MLflow, in order, while steps still write to it or long after."""

import json
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from components.tracking.runs import MlflowSink
from voco_model.errors import VocoError
from voco_model.files import whole_file

EVERY = 1.0
"""Seconds between two looks."""


@dataclass
class _Sent:
    """How far a spool file was sent, and to which run in MLflow."""

    at: int = 0
    run: str | None = None


def replay(spool: Path, uri: str, run_id: str | None) -> int:
    """Send what the spool holds and was not sent yet; the number of events.

    Called again, it goes on from there. A kill between sending and noting sends one event again: figures of the
    same step and time, tags and files then replace themselves.
    """
    return sum(_send_file(path, uri, run_id) for path in sorted(spool.glob("*.jsonl")))


def _send_file(path: Path, uri: str, run_id: str | None) -> int:
    note = path.with_suffix(".sent")
    sent = _Sent(**json.loads(note.read_text())) if note.is_file() else _Sent()
    with path.open("rb") as file:
        file.seek(sent.at)
        lines = file.read().split(b"\n")[:-1]  # what no newline ends is being written
    count = 0
    for line in lines:
        _send(json.loads(line), sent, uri, run_id)
        sent.at += len(line) + 1
        with whole_file(note) as temporary:
            temporary.write_text(json.dumps({"at": sent.at, "run": sent.run}))
        count += 1
    return count


def _send(event: dict[str, Any], sent: _Sent, uri: str, run_id: str | None) -> None:
    kind, moment = event["event"], event["time"]
    if kind == "start":
        sink = MlflowSink.new(uri, event["task"], run_id, moment)
        sent.run = sink.id
        sink.start(event["parameters"], event["tags"])
        return
    if sent.run is None:
        return
    sink = MlflowSink(uri, sent.run)
    if kind == "figures":
        sink.figures(event["step"], event["numbers"], moment)
    elif kind == "tags":
        sink.tags(event["tags"])
    elif kind == "files":
        sink.files([path for path in map(Path, event["paths"]) if path.is_file()])
    elif kind == "end":
        sink.end(event["status"])


class Forwarder:
    """While it lasts, a thread sends the spool on; at the end everything is sent."""

    def __init__(self, spool: Path, uri: str, run_id: str) -> None:
        self._what = (spool, uri, run_id)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send_on, daemon=True)
        self._told = False

    def __enter__(self) -> "Forwarder":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _send_on(self) -> None:
        while True:
            last = self._over.wait(EVERY)
            try:
                replay(*self._what)
            except VocoError as error:
                if not self._told:
                    print(f"{error}; what is not sent is kept in {self._what[0]}", file=sys.stderr)
                self._told = True
            if last:
                return


def unsent(spool: Path) -> int:
    """Bytes that wait to be sent."""
    waiting = 0
    for path in spool.glob("*.jsonl"):
        note = path.with_suffix(".sent")
        waiting += os.path.getsize(path) - (json.loads(note.read_text())["at"] if note.is_file() else 0)
    return waiting
