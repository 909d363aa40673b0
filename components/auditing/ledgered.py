"""Checking a version against the ledger: the chain is whole, aliases follow it, and it tells of this version."""

import json
from collections.abc import Iterator
from pathlib import Path

from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.lineage import Lineage
from components.promoting.deciding import NOT_PROMOTED, VERDICTS
from components.promoting.ledger import AWAITS, FORCED, PROMOTED, REFUSED, Entry, Ledger, problems
from components.promoting.moving import ENTRY_TAG, alias_problems
from components.promoting.registry import Registry, Version
from components.stepping.digests import text_digest
from voco_model.errors import VocoError

OWNER = "ledger"
ACTIONS = {PROMOTED: {PROMOTED, FORCED}, NOT_PROMOTED: {REFUSED}, AWAITS: {AWAITS}}
"""What a run's outcome is called in the ledger."""


def check_ledger(registry: Registry, version: Version, lineage: Lineage, work: Path) -> Iterator[Item]:
    """The whole ledger, then what it says of the version. work: a folder for what is fetched."""
    ledger = registry.existing_ledger()
    if ledger is None:
        yield Item(OWNER, "chain", "ledger", "", registry.name, UNKNOWN, "the model has no ledger")
        return
    found = problems(ledger, registry.settled)
    yield from _verdicts("chain", found, registry, ledger)
    if found:
        return
    yield from _verdicts("aliases", alias_problems(registry), registry, ledger)
    entries = [entry for entry in ledger.entries() if entry.version == version.number]
    yield _tag(version, entries, registry)
    yield _outcome(lineage, entries, registry)
    for entry in entries:
        if entry.verdict_sha256:
            yield _verdict(entry, version, registry, work / VERDICTS / str(entry.number))


def _verdicts(name: str, wrong: list[str], registry: Registry, ledger: Ledger) -> Iterator[Item]:
    for why in wrong:
        yield Item(OWNER, name, "ledger", ledger.run, registry.name, WRONG, why)
    if not wrong:
        yield Item(OWNER, name, "ledger", ledger.run, registry.name, RIGHT)


def _tag(version: Version, entries: list[Entry], registry: Registry) -> Item:
    """The version names the last entry about it."""
    own, wanted = version.tags.get(ENTRY_TAG), entries[-1].sha256 if entries else None
    why = "" if own == wanted else f"the registry says {own}, the ledger {wanted}"
    return Item(OWNER, ENTRY_TAG, "tag", wanted or "", registry.name, WRONG if why else RIGHT, why)


def _outcome(lineage: Lineage, entries: list[Entry], registry: Registry) -> Item:
    """What the run's promotion came to was entered."""
    promoted = lineage.step("promote")
    outcome = promoted.values.get("verdict", "") if promoted else ""
    head = (OWNER, "outcome", "entry", entries[-1].sha256 if entries else "", registry.name)
    if any(entry.action in ACTIONS.get(outcome, ()) for entry in entries):
        return Item(*head, RIGHT)
    if not entries:
        return Item(*head, UNKNOWN, "the ledger has no entry about this version")
    return Item(*head, WRONG, f"the run says {outcome or 'nothing'}, the ledger no such thing")


def _verdict(entry: Entry, version: Version, registry: Registry, to: Path) -> Item:
    """The verdict that an entry names is kept, and is that one."""
    wanted = entry.verdict_sha256 or ""
    where = registry.place(version.run, f"{VERDICTS}/{wanted[:16]}/verdict.json")
    head = (OWNER, f"verdict of entry {entry.number}", "verdict", wanted, where)
    try:
        found = text_digest(json.loads(registry.fetch(where, to).read_text("utf-8")))
    except VocoError as error:
        return Item(*head, UNKNOWN, str(error))
    except ValueError as error:
        return Item(*head, WRONG, f"it is no verdict ({error})")
    return Item(*head, RIGHT) if found == wanted else Item(*head, WRONG, "it is another verdict")
