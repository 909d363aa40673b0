"""Verdicts kept on disk: what was judged once is not asked again, by this run or another."""

import hashlib
import json
import threading
from pathlib import Path

from voco_model.evaluation.judging import Case, Verdict


class VerdictCache:
    """One line for each verdict, appended whole; a line that a kill cut short is passed over."""

    def __init__(self, path: Path, judge: str) -> None:
        self._path = path
        self._judge = judge
        self._lock = threading.Lock()
        self._known: dict[str, Verdict] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._remember(line)

    def get(self, case: Case) -> Verdict | None:
        return self._known.get(self._key(case))

    def put(self, case: Case, verdict: Verdict) -> None:
        line = json.dumps({"key": self._key(case), "right": verdict.right, "score": verdict.score})
        with self._lock:
            self._known[self._key(case)] = verdict
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"\n{line}\n")

    def _key(self, case: Case) -> str:
        """Of the judge too: another model's verdict is another verdict."""
        parts = [self._judge, case.question, case.answer, case.prediction]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _remember(self, line: str) -> None:
        try:
            told = json.loads(line)
            self._known[told["key"]] = Verdict(told["right"], int(told["score"]))
        except (ValueError, KeyError, TypeError):
            return
