"""Checking a lineage: every digest computed anew from the bytes, every input followed to the step that made it."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.lineage import Entry, Lineage, links
from components.dvc_keeping import kept_content
from components.stepping.code import code_at
from components.stepping.digests import Content, content_of, text_digest
from components.stepping.record import config_digest
from voco_model.errors import VocoError


def check(lineage: Lineage, sha256: str, location: str) -> Iterator[Item]:
    """Everything that the document names. sha256: the digest that it really has."""
    matches = lineage.sealed == sha256
    why = "" if matches else f"the document was changed: its digest is {sha256[:12]}"
    yield Item("lineage", "audit.json", "record", lineage.sealed, location, _verdict(matches), why)
    records = [entry.record for entry in lineage.entries]
    stated = [dict(link) for link in lineage.links] == links(records)
    why = "" if stated else "the links that it states are not those of its records"
    yield Item(
        "lineage", "links", "record", text_digest(list(map(dict, lineage.links))), location, _verdict(stated), why
    )
    for entry in lineage.entries:
        yield from _check_step(entry, lineage, location)


def _check_step(entry: Entry, lineage: Lineage, location: str) -> Iterator[Item]:
    record, owner = entry.record, entry.record.task

    def item(name: str, kind: str, digest: str, right: bool | None, why: str, where: str = location) -> Item:
        verdict = UNKNOWN if right is None else _verdict(right)
        return Item(owner, name, kind, digest, where, verdict, why if right is not True else "")

    same = record.sha256 == entry.sha256
    yield item("record", "record", entry.sha256, same, "is not what the lineage was written from")
    same = config_digest(record.config) == record.config_sha256
    yield item("config", "config", record.config_sha256, same, "the settings have another digest")
    yield item(*_code(record.code), where=f"git:{record.code.commit}" if record.code.commit else "")
    if record.image is not None:
        pinned = "@sha256:" in record.image
        yield item(
            "image", "image", record.image.rpartition("@")[2], pinned, "not named by its digest", record.image
        )
    listed = lineage.packages.get(record.packages_sha256)
    known = None if listed is None else text_digest(listed) == record.packages_sha256
    why = "no list of them was kept" if listed is None else "the list has another digest"
    yield item("packages", "packages", record.packages_sha256, known, why)
    made = {content.sha256 for other in lineage.entries for content in other.record.outputs.values()}
    for name, content in record.inputs.items():
        yield item(name, "input", content.sha256, content.sha256 in made, "no step of this run made it")
    for name, content in record.outputs.items():
        yield _output(owner, name, content, entry)


def _code(found: Any) -> tuple[str, str, str, bool | None, str]:
    """Whether the commit that is named holds the files that ran."""
    head = "code", "code", found.sha256
    if found.commit is None:
        return *head, None, "no commit is known"
    if found.dirty:
        return *head, None, f"ran from files that differed from commit {found.commit[:12]}"
    there = _code_at(found.commit)
    if there is None:
        return *head, None, f"commit {found.commit[:12]} is not in this repository"
    return *head, there == found.sha256, f"commit {found.commit[:12]} holds other files"


@cache
def _code_at(commit: str) -> str | None:
    return code_at(commit)


def _output(owner: str, name: str, wanted: Content, entry: Entry) -> Item:
    """Read anew where it lay and where it was kept; one good copy is enough, one bad copy is too much."""
    kept, place = entry.record.kept.get(name), entry.places.get(name)
    reads: list[tuple[str, Callable[[], Content | None]]] = []
    if place is not None:
        reads.append((place, lambda: content_of(Path(place)) if Path(place).exists() else None))
    if kept is not None:
        reads.append((kept, lambda: kept_content(kept)))
    good, missing = [], []
    for where, read in reads:
        found, why = _read(read)
        if found is None:
            missing.append(f"{where}: {why}")
        elif (found.sha256, found.md5) != (wanted.sha256, wanted.md5):
            return Item(owner, name, "output", wanted.sha256, where, WRONG, f"{where}: other bytes")
        else:
            good.append(where)
    if good:
        return Item(owner, name, "output", wanted.sha256, good[0], RIGHT)
    return Item(
        owner, name, "output", wanted.sha256, kept or "", UNKNOWN, "; ".join(missing) or "no copy is known"
    )


def _read(read: Callable[[], Content | None]) -> tuple[Content | None, str]:
    try:
        return read(), "not there any more"
    except (VocoError, OSError, ValueError, KeyError, TypeError) as error:
        return None, f"not readable ({' '.join(str(error).split())[:200]})"


def _verdict(right: bool) -> str:
    return RIGHT if right else WRONG
