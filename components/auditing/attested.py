"""Checking attestations: who signed, and whether what was signed is what the record says."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from components.attesting.envelope import envelope_digest, opened
from components.attesting.statement import statement_of, statement_of_lineage
from components.attesting.trust import where_trusted
from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.lineage import Entry, Lineage

if TYPE_CHECKING:
    from components.attesting.library import Key

Keys = Mapping[str, "Key"]
NOT_SIGNED = "nobody signed it; sign runs with a key (VOCO_SIGNING_KEY_FILE)"
PARTS = (
    (("subject",), "outputs"),
    (("predicate", "buildDefinition", "externalParameters"), "parameters"),
    (("predicate", "buildDefinition", "internalParameters"), "a run, seed or digest of parameters"),
    (("predicate", "buildDefinition", "resolvedDependencies"), "inputs, code, image or packages"),
    (("predicate", "runDetails", "metadata"), "a run or times"),
    (("predicate", "runDetails", "byproducts"), "a record"),
)
"""Where in a statement lies what."""


def check_attestation(entry: Entry, keys: Keys, location: str) -> Item:
    """A step's: signed by somebody trusted, and saying what the record says of the same run."""
    return _check(
        (entry.record.task, "attestation"), entry.attestation, lambda: statement_of(entry.record), keys, location
    )


def check_seal(lineage: Lineage, sha256: str, keys: Keys, location: str) -> Item:
    """The signature under the whole document."""
    records = {entry.record.task: entry.sha256 for entry in lineage.entries}
    return _check(
        ("lineage", "signature"),
        lineage.attestation,
        lambda: statement_of_lineage(sha256, lineage.run, records),
        keys,
        location,
    )


def _check(owner: tuple[str, str], envelope: Any, wanted: Callable[[], Any], keys: Keys, location: str) -> Item:
    if envelope is None:
        return Item(*owner, "attestation", "", location, UNKNOWN, NOT_SIGNED)
    if not isinstance(envelope, Mapping):
        return Item(*owner, "attestation", "", location, WRONG, "is no envelope")
    head = (*owner, "attestation", envelope_digest(envelope), location)
    found = opened(envelope, keys)
    if found.statement is None:
        more = f"; trusted keys are in {where_trusted()}" if "trusts" in found.why else ""
        return Item(*head, WRONG, found.why + more)
    try:
        right = wanted()
    except Exception as error:  # a record that was changed may hold anything
        return Item(*head, WRONG, f"the record cannot be what was signed ({' '.join(str(error).split())[:100]})")
    why = _differences(found.statement, right)
    return Item(*head, WRONG, why) if why else Item(*head, RIGHT)


def _differences(said: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What the statement says otherwise than the record."""
    if said == wanted:
        return ""
    other = [name for path, name in PARTS if _at(said, path) != _at(wanted, path)]
    return f"was signed for other things than the record says: {', '.join(other) or 'another kind of statement'}"


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
