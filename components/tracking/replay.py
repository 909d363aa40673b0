"""Sending a spool on to MLflow, in order and once, while steps still write to it or long after."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from components.tracking.figures import Refused
from components.tracking.repeating import Repeating
from components.tracking.runs import MlflowSink
from voco_model.errors import VocoError
from voco_model.files import whole_file

EVERY = 1.0
"""Seconds between two looks."""
LOCK, LIVE = ".lock", ".live"
"""Held while a spool is read; held as long as its run lasts."""
RETRIES = "2"
"""Of one request, where the environment says nothing: the spool is the better memory."""
Tell = Callable[[str], None]


@dataclass
class _Sent:
    """How far a spool file was sent, and to which run in MLflow."""

    at: int = 0
    run: str | None = None
    ended: bool = False


def replay(spool: Path, uri: str, run_id: str | None, *, over: bool = False, tell: Tell | None = None) -> int:
    """Send what the spool holds and was not sent yet; the number of events.

    Called again, it goes on from there. A kill between sending and noting sends one event again, which then
    replaces itself: a run is found by its attempt, figures by their step and moment, tags and files by name.
    What MLflow refuses is told and passed over, so that it keeps nothing else back. Two at once do not send twice:
    the second sends nothing.

    over: no step writes any more; a task that did not say how it ended was killed.
    """
    if not spool.is_dir():
        return 0
    try:
        with FileLock(spool / LOCK, timeout=0):
            return sum(_send_file(path, uri, run_id, over, tell or _say) for path in sorted(spool.glob("*.jsonl")))
    except Timeout:
        return 0


def replay_rest(runs: Path, uri: str) -> int:
    """What earlier runs could not send: each folder below `runs` is named as its run."""
    count = 0
    for spool in sorted(runs.glob("*/spool")) if runs.is_dir() else []:
        if not unsent(spool):
            continue
        with suppress(Timeout), FileLock(spool / LIVE, timeout=0):  # not while that run still lasts
            count += replay(spool, uri, spool.parent.name, over=True)
    return count


def unsent(spool: Path) -> int:
    """Bytes that wait to be sent."""
    return sum(max(0, os.path.getsize(path) - _noted(path).at) for path in spool.glob("*.jsonl"))


def _send_file(path: Path, uri: str, run_id: str | None, over: bool, tell: Tell) -> int:
    sent = _noted(path)
    with path.open("rb") as file:
        file.seek(sent.at)
        lines = file.read().split(b"\n")[:-1]  # what no newline ends is being written
    for line in lines:
        try:
            _send(json.loads(line), sent, uri, run_id, path.stem)
        except Refused as error:
            tell(f"{path.name}: {error}")
        sent.at += len(line) + 1
        _note(path, sent)
    if over and sent.run is not None and not sent.ended:
        MlflowSink(uri, sent.run).end("KILLED")
        sent.ended = True
        _note(path, sent)
    return len(lines)


def _send(event: dict[str, Any], sent: _Sent, uri: str, run_id: str | None, attempt: str) -> None:
    kind, moment = event["event"], event["time"]
    if kind == "start":
        sink = MlflowSink.new(uri, event["task"], run_id, moment, attempt)
        sent.run = sink.id
        sink.start(event["parameters"], event["tags"])
        return
    if sent.run is None:
        return
    sink = MlflowSink(uri, sent.run)
    if kind == "inputs":
        sink.inputs(event["inputs"])
    elif kind == "figures":
        sink.figures(event["step"], event["numbers"], moment)
    elif kind == "tags":
        sink.tags(event["tags"])
    elif kind == "files":
        sink.files([path for path in map(Path, event["paths"]) if path.is_file()])
    elif kind == "end":
        sink.end(event["status"], moment)
        sent.ended = True


def _noted(path: Path) -> _Sent:
    note = path.with_suffix(".sent")
    return _Sent(**json.loads(note.read_text())) if note.is_file() else _Sent()


def _note(path: Path, sent: _Sent) -> None:
    with whole_file(path.with_suffix(".sent")) as temporary:
        temporary.write_text(json.dumps(asdict(sent)))


def _say(text: str) -> None:
    print(text, file=sys.stderr)


class Forwarder:
    """While it lasts, a thread sends the spool on; at the end everything is sent that MLflow takes."""

    def __init__(self, spool: Path, uri: str, run_id: str) -> None:
        self._what = (spool, uri, run_id)
        self._sending = Repeating(self._send, EVERY)
        self._live = FileLock(spool / LIVE, timeout=0)
        self._told: set[str] = set()

    def __enter__(self) -> "Forwarder":
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
        self._live.acquire()
        self._sending.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sending.stop()
        self._live.release()

    def _send(self, last: bool) -> bool:
        try:
            replay(*self._what, over=last, tell=self._tell)
        except (VocoError, OSError) as error:
            self._tell(f"{error}; what is not sent is kept in {self._what[0]} and sent with the next run")
        return True

    def _tell(self, text: str) -> None:
        """Once: the same trouble comes back each second."""
        if text not in self._told:
            self._told.add(text)
            _say(text)
