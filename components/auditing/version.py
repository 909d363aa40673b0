"""Checking a registered version: its tags, its bytes, its lineage, its gate."""

import json
from collections.abc import Iterator
from pathlib import Path

from components.attesting.envelope import envelope_digest
from components.audit import ATTESTATION_TAG, DIGEST_TAG, PLACE_TAG
from components.auditing.checking import check
from components.auditing.copies import output_file
from components.auditing.gating import Promotion
from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.ledgered import check_ledger
from components.auditing.lineage import FILE, Lineage, read_lineage
from components.ingesting.sets import SUMMARY
from components.promoting.deciding import EVIDENCE
from components.promoting.registry import EXPORTED, Registry, Version
from components.stepping.digests import sha256_of
from components.tracking.figures import reachable
from components.tracking.runs import RUN_TAG, client_of
from voco_model.errors import VocoError

OWNER = "registry"


def check_version(
    registry: Registry, version: Version, work: Path, *, deep: bool, raw: bool = True
) -> Iterator[Item]:
    """The version, then everything that its lineage names; see `check`. work: a folder for what is fetched."""
    if deep:
        yield _bytes(registry, version, work / "model")
    place = version.tags.get(PLACE_TAG)
    if place is None:
        why = "the version names no lineage; its run ended before the step audit, or it was registered by hand"
        yield Item(OWNER, "lineage", "tag", "", "", UNKNOWN, why)
        return
    yield from _places(version, place)
    try:
        lineage, sha256 = read_lineage(registry.fetch(place, work / "lineage"))
    except VocoError as error:
        yield Item(OWNER, "lineage", "record", version.tags.get(DIGEST_TAG, ""), place, UNKNOWN, str(error))
        return
    yield from _tags(registry, version, lineage, sha256)
    yield _run(registry, version, lineage)
    yield from Promotion(registry, version, lineage, work).check()
    yield from check_ledger(registry, version, lineage, work)
    yield from check(lineage, sha256, place, deep=deep, raw=raw)


def lineage_of(work: Path) -> Lineage | None:
    """What `check_version` fetched into that folder; None where it found none."""
    try:
        return read_lineage(work / "lineage" / FILE)[0]
    except VocoError:
        return None


def _bytes(registry: Registry, version: Version, to: Path) -> Item:
    wanted = version.tags.get(EXPORTED, "")
    head = (OWNER, "model", "output", wanted, version.source)
    if not wanted:
        return Item(*head, UNKNOWN, f"the version has no tag {EXPORTED}")
    try:
        found = sha256_of(registry.fetch(version.source, to))
    except VocoError as error:
        return Item(*head, UNKNOWN, str(error))
    return Item(*head, RIGHT) if found == wanted else Item(*head, WRONG, f"other bytes ({found[:12]})")


def _places(version: Version, place: str) -> Iterator[Item]:
    """What is kept with a version lies under its digest: a tag that leads elsewhere was changed."""
    lineage, exported = (version.tags.get(tag, "")[:16] for tag in (DIGEST_TAG, EXPORTED))
    for name, found, end in (
        (PLACE_TAG, place, f"audit/{lineage}/{FILE}"),
        (EVIDENCE, version.tags.get(EVIDENCE, ""), f"{EVIDENCE}/{exported}"),
    ):
        right = found.endswith(f"/{end}")
        why = "" if right else f"leads to {found or 'nowhere'}, not to ../{end}"
        yield Item(OWNER, name, "tag", "", found, RIGHT if right else WRONG if found else UNKNOWN, why)


def _tags(registry: Registry, version: Version, lineage: Lineage, sha256: str) -> Iterator[Item]:
    """What the registry says is what the lineage says."""
    promoted, exported = lineage.step("promote"), lineage.entry("export")
    said = {
        DIGEST_TAG: sha256,
        EXPORTED: lineage.exported,
        "model": lineage.model,
        "version": lineage.version,
        "code_sha256": promoted.code.sha256 if promoted else None,
        "gate": promoted.values.get("verdict") if promoted else None,
        "gate.reason": promoted.values.get("reason", "")[:5000] if promoted else None,
    }
    if exported and exported.attestation:
        said[ATTESTATION_TAG] = envelope_digest(exported.attestation)
    own = dict(version.tags) | {"model": registry.name, "version": version.number}
    for name, wanted in said.items():
        yield _tag(registry, name, own.get(name), wanted)
    commit = promoted.code.commit if promoted else None
    config = promoted.config.get("config_sha256") if promoted else None
    for name, wanted in (("code_commit", commit), ("config_sha256", config)):
        if wanted or name in own:  # nothing is said of a run from no repository
            yield _tag(registry, name, own.get(name), wanted)
    yield _data(registry, version, lineage)
    if exported is None:
        yield Item(OWNER, "export", "record", "", "", UNKNOWN, "the lineage has no export")


def _tag(registry: Registry, name: str, own: str | None, wanted: str | None) -> Item:
    right = wanted is not None and own == wanted
    why = "" if right else f"the registry says {own}, the lineage {wanted}"
    return Item(OWNER, name, "tag", str(wanted or ""), registry.name, RIGHT if right else WRONG, why)


def _data(registry: Registry, version: Version, lineage: Lineage) -> Item:
    """The version of the data, as the ingested data itself says."""
    ingested, own = lineage.entry("ingest"), version.tags.get("data_version")
    found = output_file(ingested, "data", SUMMARY) if ingested else None
    try:
        wanted = str(json.loads(found)["version"]) if found is not None else None
    except (ValueError, KeyError, TypeError):
        wanted = None
    if wanted is None:
        return Item(OWNER, "data_version", "tag", own or "", registry.name, UNKNOWN, f"no {SUMMARY} can be read")
    return _tag(registry, "data_version", own, wanted)


def _run(registry: Registry, version: Version, lineage: Lineage) -> Item:
    """The run that registered it: one of the lineage's, or an earlier one that made the same bytes."""
    own = version.tags.get(RUN_TAG)
    head = (OWNER, RUN_TAG, "tag", own or "", registry.name)
    if own in {lineage.run, *(entry.record.run for entry in lineage.entries)}:
        return Item(*head, RIGHT)
    try:
        with reachable():
            found = client_of(registry.uri).get_run(version.run).data.tags.get(RUN_TAG)
    except VocoError as error:
        return Item(*head, UNKNOWN, str(error))
    why = f"the registry says {own}, the run that holds its files {found}"
    return Item(*head, RIGHT) if found == own else Item(*head, WRONG, why)
