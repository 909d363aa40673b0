"""What a check found, and all checks at once within a bounded time."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["good", "bad", "absent"]
MARKS: dict[State, str] = {"good": "✓", "bad": "✗", "absent": "–"}


@dataclass(frozen=True)
class Finding:
    """One line."""

    state: State
    """`absent`: not configured, and not needed for a run on this machine."""
    detail: str
    fix: str = ""
    """What to do; always there where it is bad."""


def good(detail: str) -> Finding:
    """As it should be."""
    return Finding("good", detail)


def bad(detail: str, fix: str) -> Finding:
    """Wrong, and how to mend it."""
    return Finding("bad", detail, fix)


def absent(detail: str, fix: str = "") -> Finding:
    """Not configured."""
    return Finding("absent", detail, fix)


Check = tuple[str, Callable[[], Finding]]


def find_all(checks: Sequence[Check], seconds: float) -> list[tuple[str, Finding]]:
    """Every check in a thread of its own; one that hangs is told so and left."""
    answers: queue.Queue[tuple[str, Finding]] = queue.Queue()
    for name, check in checks:
        threading.Thread(target=_answer, args=(name, check, answers), daemon=True).start()
    found: dict[str, Finding] = {}
    until = time.monotonic() + seconds
    while len(found) < len(checks):
        try:
            name, finding = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        found[name] = finding
    late = bad(f"no answer within {seconds:g} s", "is its address right, and the network up?")
    return [(name, found.get(name, late)) for name, _ in checks]


def _answer(name: str, check: Callable[[], Finding], answers: "queue.Queue[tuple[str, Finding]]") -> None:
    try:
        answers.put((name, check()))
    except Exception as error:  # a check that breaks is a finding, not the end of the others
        said = " ".join(str(error).split())[:200]
        answers.put((name, bad(f"{type(error).__name__}: {said}", "mend what the message names")))
