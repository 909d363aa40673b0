"""Answers written down as they come, so that a run that was cut short asks nothing twice."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from voco_model.evaluation.questions import Question


def question_key(question: Question) -> str:
    """A question by everything that the model is told."""
    told = [question.id, question.prompt, question.media, question.encoded, question.video, question.segment]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]


class Journal:
    """JSON lines of one way of asking: the file is named by all that decides the answers.

    folder: where it lies; None keeps nothing.
    """

    def __init__(self, folder: Path | None, about: dict[str, Any]) -> None:
        self.answers: dict[str, str] = {}
        self._file = None
        if folder is None:
            return
        name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
        path = folder / f"{name}.jsonl"
        folder.mkdir(parents=True, exist_ok=True)
        whole = self._read(path)
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(whole)
        self._file.seek(whole)

    def _read(self, path: Path) -> int:
        """Take the answers that are there; where whole lines end and what a killed writer left begins."""
        whole = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            try:
                key, answer = json.loads(line)
            except (ValueError, TypeError):
                break
            if not line.endswith(b"\n"):
                break
            self.answers[str(key)] = str(answer)
            whole += len(line)
        return whole

    def add(self, answered: Iterable[tuple[str, str]]) -> None:
        """Write answers down at once, each with its question's key."""
        lines = b""
        for key, answer in answered:
            self.answers[key] = answer
            lines += json.dumps([key, answer]).encode() + b"\n"
        if self._file is not None:
            self._file.write(lines)
            self._file.flush()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
