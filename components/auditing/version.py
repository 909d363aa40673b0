"""Checking a registered version: it names its lineage, and its bytes are those that were exported."""

from collections.abc import Iterator
from pathlib import Path

from components.audit import DIGEST_TAG, PLACE_TAG
from components.auditing.checking import check
from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.lineage import Lineage, read_lineage
from components.promoting.registry import EXPORTED, Registry, Version
from components.stepping.digests import content_of
from voco_model.errors import VocoError

OWNER = "registry"


def check_version(registry: Registry, version: Version, work: Path) -> Iterator[Item]:
    """The version, then everything that its lineage names. work: a folder for what is fetched."""
    yield _bytes(registry, version, work / "model")
    place = version.tags.get(PLACE_TAG)
    if place is None:
        why = "the version names no lineage; its run ended before the step audit, or it was registered by hand"
        yield Item(OWNER, "lineage", "tag", "", "", UNKNOWN, why)
        return
    try:
        lineage, sha256 = read_lineage(registry.fetch(place, work / "lineage"))
    except VocoError as error:
        yield Item(OWNER, "lineage", "record", version.tags.get(DIGEST_TAG, ""), place, UNKNOWN, str(error))
        return
    yield from _tags(registry, version, lineage, sha256)
    yield from check(lineage, sha256, place)


def _bytes(registry: Registry, version: Version, to: Path) -> Item:
    wanted = version.tags.get(EXPORTED, "")
    head = (OWNER, "model", "output", wanted, version.source)
    if not wanted:
        return Item(*head, UNKNOWN, f"the version has no tag {EXPORTED}")
    try:
        found = content_of(registry.fetch(version.source, to)).sha256
    except VocoError as error:
        return Item(*head, UNKNOWN, str(error))
    return Item(*head, RIGHT) if found == wanted else Item(*head, WRONG, f"other bytes ({found[:12]})")


def _tags(registry: Registry, version: Version, lineage: Lineage, sha256: str) -> Iterator[Item]:
    """What the registry says is what the lineage says."""
    promoted, exported = lineage.step("promote"), lineage.step("export")
    said = {
        DIGEST_TAG: sha256,
        EXPORTED: lineage.exported,
        "model": lineage.model,
        "version": lineage.version,
        "code_sha256": promoted.code.sha256 if promoted else None,
        "gate": promoted.values.get("verdict") if promoted else None,
    }
    own = dict(version.tags) | {"model": registry.name, "version": version.number}
    for name, wanted in said.items():
        right = wanted is not None and own.get(name) == wanted
        why = "" if right else f"the registry says {own.get(name)}, the lineage {wanted}"
        yield Item(OWNER, name, "tag", str(wanted or ""), registry.name, RIGHT if right else WRONG, why)
    if exported is None:
        yield Item(OWNER, "export", "record", "", "", UNKNOWN, "the lineage has no export")
