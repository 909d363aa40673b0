"""The ledger: who moved the champion, when, from what to what and why; each entry names the one before by digest.

An entry is a parameter of one run in MLflow, called by its number. MLflow takes a parameter once and lets nobody
change it, so of two that write the same number one wins: that holds two promotions apart, whatever machines they
come from. The ledger is what counts; aliases follow it, so that a kill between two writes is made good by the next
call. A copy of each entry is kept among the run's files.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from components.stepping.digests import canonical, text_digest
from components.tracking.figures import Refused, reachable
from voco_model.errors import VocoError

PROMOTED, FORCED, APPROVED, ROLLED_BACK = "promoted", "forced", "approved", "rolled back"
REFUSED, AWAITS, REJECTED = "refused", "awaits approval", "rejected"
MOVES = frozenset({PROMOTED, FORCED, APPROVED, ROLLED_BACK})
"""What makes another version the champion."""
ACTIONS = MOVES | {REFUSED, AWAITS, REJECTED}
FOLDER = "ledger"
TRIES = 100
LONGEST_REASON = 1000


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    number: int
    model: str
    moment: str
    """UTC, ISO 8601."""
    who: str
    action: str
    version: str
    """Whose promotion it is about."""
    before: str | None
    """The champion then."""
    after: str | None
    """The champion from then on."""
    reason: str
    verdict_sha256: str | None
    gate_sha256: str | None
    previous: str
    """The digest of the entry before; empty in the first."""

    @property
    def sha256(self) -> str:
        """What it is called."""
        return text_digest(asdict(self))


@dataclass(frozen=True)
class Standing:
    """What the ledger comes to."""

    champion: str | None = None
    previous: str | None = None
    waiting: tuple[str, ...] = ()
    """Versions that met the gate and wait for somebody's approval, the oldest first."""

    def then(self, entry: Entry) -> "Standing":
        """After one more entry."""
        waiting = tuple(one for one in self.waiting if one != entry.version)
        if entry.action == AWAITS:
            return Standing(self.champion, self.previous, (*waiting, entry.version))
        if entry.action in MOVES and entry.after != self.champion:
            return Standing(entry.after, self.champion, waiting)
        return Standing(self.champion, self.previous, self.waiting if entry.action == REFUSED else waiting)


def standing(entries: Iterable[Entry]) -> Standing:
    """What all entries come to."""
    found = Standing()
    for entry in entries:
        found = found.then(entry)
    return found


class Overtaken(VocoError):
    """Somebody else moved the champion between looking and writing."""


class Ledger:
    """One model's, in the run that holds it."""

    def __init__(self, client: Any, model: str, run: str) -> None:
        self._client, self.model, self.run = client, model, run

    def entries(self) -> list[Entry]:
        """All of them, the oldest first; one that cannot be read is an error."""
        return [_entry(key, text, self.model) for key, text in sorted(self.texts().items())]

    def texts(self) -> dict[str, str]:
        """Number to entry, as they are written."""
        with reachable():
            found: Mapping[str, str] = self._client.get_run(self.run).data.params
        return {key: text for key, text in found.items() if key.isdigit()}

    def copies(self) -> dict[str, str]:
        """The same, from the run's files."""
        from pathlib import Path
        from tempfile import TemporaryDirectory

        with reachable(), TemporaryDirectory() as folder:
            if not self._client.list_artifacts(self.run, FOLDER):
                return {}
            where = Path(self._client.download_artifacts(self.run, FOLDER, folder))
            return {path.stem: path.read_text("utf-8").strip() for path in where.glob("*.json")}

    def append(
        self,
        action: str,
        version: str,
        *,
        who: str,
        reason: str,
        expected: str | None,
        verdict_sha256: str | None = None,
        gate_sha256: str | None = None,
    ) -> Entry:
        """Write one more entry. expected: the champion that it was decided against; another by now is an error."""
        for _ in range(TRIES):
            before = self.entries()
            now = standing(before)
            if action in MOVES and now.champion != expected:
                raise Overtaken(
                    f"{self.model}: version {now.champion} became the champion meanwhile, not version {version};"
                    f" it was decided against {expected or 'none'}: run `voco promote` again"
                )
            entry = Entry(
                number=len(before) + 1,
                model=self.model,
                moment=datetime.now(UTC).isoformat(timespec="microseconds"),
                who=who,
                action=action,
                version=version,
                before=now.champion,
                after=version if action in MOVES else now.champion,
                reason=reason[:LONGEST_REASON],
                verdict_sha256=verdict_sha256,
                gate_sha256=gate_sha256,
                previous=before[-1].sha256 if before else "",
            )
            if self._write(entry):
                return entry
        raise VocoError(f"{self.model}: the ledger was written to {TRIES} times meanwhile; try again")

    def keep_copy(self, entry: Entry) -> None:
        """Put an entry among the run's files."""
        with reachable():
            self._client.log_text(self.run, f"{canonical(asdict(entry))}\n", f"{FOLDER}/{entry.number:06d}.json")

    def _write(self, entry: Entry) -> bool:
        """Whether it was the first of its number."""
        text = canonical(asdict(entry))
        try:
            with reachable():
                self._client.log_param(self.run, f"{entry.number:06d}", text)
        except Refused:
            if f"{entry.number:06d}" not in self.texts():
                raise
            return False
        return True


def problems(ledger: Ledger, settled: tuple[int, str] | None) -> list[str]:
    """What shows that the ledger is not as it was written; settled: the last entry that the registry names."""
    texts, copies = ledger.texts(), ledger.copies()
    found, before, now = [], "", Standing()
    numbers = [int(key) for key in sorted(texts)]
    last = max([*numbers, *(int(key) for key in copies if key.isdigit()), settled[0] if settled else 0])
    found += [f"entry {number} is gone" for number in range(1, last + 1) if number not in numbers]
    for key, text in sorted(texts.items()):
        try:
            entry = _entry(key, text, ledger.model)
        except VocoError as error:
            found.append(str(error))
            continue
        if entry.previous != before:
            found.append(f"entry {entry.number} does not follow entry {entry.number - 1}: one of them was changed")
        after = entry.version if entry.action in MOVES else entry.before
        if entry.before != now.champion or entry.after != after:
            found.append(f"entry {entry.number} does not say what the entries before it come to")
        if copies.get(key, text) != text:
            found.append(f"entry {entry.number} differs from its copy {FOLDER}/{key}.json")
        if key not in copies and settled and entry.number <= settled[0]:
            found.append(f"the copy {FOLDER}/{key}.json of entry {entry.number} is gone")
        if settled and entry.number == settled[0] and entry.sha256 != settled[1]:
            found.append(f"entry {entry.number} is not the one that the registry names")
        before, now = entry.sha256, now.then(entry)
    return found


def _entry(key: str, text: str, model: str) -> Entry:
    try:
        entry = Entry(**json.loads(text))
        if f"{entry.number:06d}" == key and entry.model == model and entry.action in ACTIONS:
            return entry
        reason = "it belongs elsewhere"
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
    raise VocoError(f"{model}: entry {key} of the ledger cannot be read ({reason}); see `voco history --verify`")
