"""Moving the champion: an entry in the ledger first, then the aliases after it."""

import getpass
import os

from components.promoting.ledger import MOVES, REJECTED, ROLLED_BACK, Entry, Standing, standing
from components.promoting.registry import CHAMPION, PREVIOUS, Registry, Version
from voco_model.errors import VocoError

ENTRY_TAG = "ledger.entry"
"""Of a version: the digest of the last entry about it."""
ROUNDS = 20


def move(
    registry: Registry,
    action: str,
    version: Version,
    *,
    reason: str,
    expected: str | None,
    verdict_sha256: str | None = None,
    gate_sha256: str | None = None,
) -> Entry:
    """Write an entry and let the aliases follow. expected: the champion that it was decided against."""
    entry = registry.ledger().append(
        action,
        version.number,
        who=who(),
        reason=reason,
        expected=expected,
        verdict_sha256=verdict_sha256,
        gate_sha256=gate_sha256,
    )
    settle(registry)
    return entry


def settle(registry: Registry) -> Standing:
    """Finish what a killed call left: aliases are what the ledger comes to, and copies of its entries are kept.

    Whoever writes an alias looks at the ledger once more afterwards: of two at a time, the later entry stays.
    """
    ledger = registry.ledger()
    entries = ledger.entries()
    for _ in range(ROUNDS):
        now, settled = standing(entries), registry.settled
        rest = entries[settled[0] if settled else 0 :]
        if not rest:
            return now
        _follow(registry, now, any(entry.action in MOVES for entry in rest))
        for entry in rest:
            ledger.keep_copy(entry)
            registry.tag(registry.by_number(entry.version), {ENTRY_TAG: entry.sha256})
        registry.settle(entries[-1])
        entries = ledger.entries()
    raise VocoError(f"{registry.name}: others go on promoting; try again when they are done")


def _follow(registry: Registry, now: Standing, has_moved: bool) -> None:
    """Aliases are left alone where no entry moved them: one that was moved by hand must stay visible."""
    if not has_moved:
        return
    for alias, number in ((PREVIOUS, now.previous), (CHAMPION, now.champion)):
        if number is not None:
            registry.name_it(alias, registry.by_number(number))


def alias_problems(registry: Registry) -> list[str]:
    """Where an alias does not say what the ledger comes to."""
    ledger, aliases = registry.existing_ledger(), registry.aliases()
    entries = ledger.entries() if ledger else []
    if entries and (registry.settled or (0, ""))[0] < entries[-1].number:
        return [f"entry {entries[-1].number} is not carried out yet; the next `voco promote` or `rollback` does"]
    now = standing(entries)
    return [
        f"the alias {alias} names {_version(aliases.get(alias))}, the ledger {_version(number)}: moved by hand"
        for alias, number in ((CHAMPION, now.champion), (PREVIOUS, now.previous))
        if aliases.get(alias) != number
    ]


def check_aliases(registry: Registry) -> Standing:
    """What the ledger comes to; where an alias was moved by hand, nothing is built on that."""
    now = settle(registry)
    if found := alias_problems(registry):
        raise VocoError(f"{registry.name}: {found[0]}; `voco rollback --to VERSION` sets what is right")
    return now


def approve(
    registry: Registry,
    version: Version,
    action: str,
    *,
    reason: str,
    verdict: str,
    gate: str,
    champion: str | None,
) -> Entry:
    """A version that waits becomes the champion. champion: the one that it was compared with."""
    _check_waiting(registry, version)
    about = {"verdict_sha256": verdict, "gate_sha256": gate}
    return move(registry, action, version, reason=reason, expected=champion, **about)


def reject(registry: Registry, version: Version, reason: str) -> Entry:
    """A version that waits does not become the champion."""
    now = _check_waiting(registry, version)
    return move(registry, REJECTED, version, reason=reason, expected=now.champion)


def roll_back(registry: Registry, to: Version | None, reason: str) -> Entry:
    """Make an earlier version the champion again; by default the one before."""
    now = settle(registry)
    if to is None:
        if now.previous is None:
            raise VocoError(f"{registry.name}: no version was champion before; name one with --to VERSION")
        to = registry.by_number(now.previous)
    if to.number == now.champion == registry.aliases().get(CHAMPION):
        raise VocoError(f"{registry.name}: version {to.number} is the champion already")
    return move(registry, ROLLED_BACK, to, reason=reason, expected=now.champion)


def next_waiting(registry: Registry) -> Version:
    """The version that has waited longest for approval."""
    if not (waiting := settle(registry).waiting):
        raise VocoError(f"{registry.name}: no version waits for approval (see `voco promote --require-approval`)")
    return registry.by_number(waiting[0])


def who() -> str:
    """Whom an entry names: VOCO_WHO, or the run that decides, or who is logged in."""
    if named := os.environ.get("VOCO_WHO"):
        return named[:200]
    if run := os.environ.get("VOCO_RUN"):
        return f"run {run}"
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _check_waiting(registry: Registry, version: Version) -> Standing:
    now = check_aliases(registry)
    if version.number not in now.waiting:
        there = ", ".join(f"/{number}" for number in now.waiting) or "none"
        raise VocoError(f"{registry.name}: version {version.number} does not wait for approval; waiting: {there}")
    return now


def _version(number: str | None) -> str:
    return f"version {number}" if number else "none"
