"""Checking a lineage: signatures, digests, links, code, and with `deep` every byte."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from components.attesting.trust import trusted_keys
from components.auditing.attested import check_attestation, check_seal
from components.auditing.copies import check_output
from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.lineage import Entry, Lineage, links, sources
from components.auditing.raw import check_raw
from components.stepping.code import Code, digest_of, files_at
from components.stepping.digests import AT_ONCE, text_digest
from components.stepping.record import config_digest

RAW_MADE = "ingest", "data"
"""The output that raw data became."""


def check(lineage: Lineage, sha256: str, location: str, *, deep: bool, raw: bool = True) -> Iterator[Item]:
    """Everything that the document names. sha256: the digest that it really has.

    deep: whether bytes are read, of what the steps made and, unless `raw` says otherwise, of what was ingested.
    """
    keys = trusted_keys()
    yield from _check_document(lineage, sha256, location)
    yield check_seal(lineage, sha256, keys, location)
    yield check_validation(lineage, location)
    made = {content.sha256 for entry in lineage.entries for content in entry.record.outputs.values()}
    ingested = None
    outputs = [(entry, name) for entry in lineage.entries for name in entry.record.outputs]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda one: check_output(*one, deep=deep), outputs)
        for entry in lineage.entries:
            yield check_attestation(entry, keys, location)
            yield from _check_step(entry, lineage, made, location)
            for name in entry.record.outputs:
                item = next(found)
                if (entry.record.step, name) == RAW_MADE:
                    ingested = item
                yield item
    if deep and raw:
        yield from check_raw(lineage, keys, ingested)


def _check_document(lineage: Lineage, sha256: str, location: str) -> Iterator[Item]:
    """The document itself, and what it says about its own records."""
    records = [entry.record for entry in lineage.entries]

    def item(name: str, digest: str, right: bool | None, why: str) -> Item:
        return _item("lineage", name, "record", digest, location, right, why)

    matches = lineage.sealed == sha256
    yield item("audit.json", lineage.sealed, matches, f"the document was changed: its digest is {sha256[:12]}")
    for name, stated, own in (
        ("links", lineage.links, links(records)),
        ("sources", lineage.sources, sources(records)),
    ):
        listed = [dict(one) for one in stated]
        yield item(
            name, text_digest(listed), listed == own, f"the {name} that it states are not those of its records"
        )
    promoted = lineage.step("promote")
    belongs = None if promoted is None else promoted.run == lineage.run
    why = "no step of it registered a model" if promoted is None else f"the records are of run {promoted.run}"
    yield item("run", lineage.run, belongs, why)


def check_validation(lineage: Lineage, location: str) -> Item:
    """Whether what `validate` found was found of this data, and is what the model was promoted with."""
    ingest, validate, promote = (lineage.step(name) for name in ("ingest", "validate", "promote"))
    digest = validate.outputs["report"].sha256 if validate and "report" in validate.outputs else ""
    head = ("validate", "validation", "validation", digest, location)
    if ingest is None or validate is None or promote is None:
        return _item(*head, None, "the lineage lacks one of ingest, validate, promote")
    data, read = _digest(ingest.outputs, "data"), _digest(validate.inputs, "data")
    reported = _digest(promote.inputs, "report")
    if validate.values.get("passed") not in ("yes", "no"):
        return _item(*head, None, "its record does not say whether the data passed")
    right = data is not None and data == read and digest == reported
    return _item(
        *head, right, "the result is not that of the data that was ingested, or not the one promoted with"
    )


def _check_step(entry: Entry, lineage: Lineage, made: set[str], location: str) -> Iterator[Item]:
    record, owner = entry.record, entry.record.task

    def item(name: str, kind: str, digest: str, right: bool | None, why: str, where: str = location) -> Item:
        return _item(owner, name, kind, digest, where, right, why)

    same = record.sha256 == entry.sha256
    yield item("record", "record", entry.sha256, same, "is not what the lineage was written from")
    same = config_digest(record.config) == record.config_sha256
    yield item("config", "config", record.config_sha256, same, "the settings have another digest")
    where = f"git:{record.code.commit}" if record.code.commit else ""
    yield item("code", "code", record.code.sha256, *_code(record.code, record.step), where=where)
    if record.image is not None:
        pinned = "@sha256:" in record.image
        digest = record.image.rpartition("@")[2]
        yield item("image", "image", digest, pinned, "not named by its digest", record.image)
    listed = lineage.packages.get(record.packages_sha256)
    known = None if listed is None else text_digest(listed) == record.packages_sha256
    why = "no list of them was kept" if listed is None else "the list has another digest"
    yield item("packages", "packages", record.packages_sha256, known, why)
    if not record.inputs:
        yield _source(entry, lineage)
    for name, content in record.inputs.items():
        yield item(name, "input", content.sha256, content.sha256 in made, "no step of this run made it")


def _source(entry: Entry, lineage: Lineage) -> Item:
    """Where the raw data came from, as the document declares it; by its listing's digest where there is one."""
    config, task = entry.record.config, entry.record.task
    declared = {"task": task, "config_sha256": entry.record.config_sha256} in [
        dict(one) for one in lineage.sources
    ]
    digest, where = str(config.get("sources") or entry.record.config_sha256), str(config.get("source") or "")
    return _item(task, "source", "source", digest, where, declared, "the lineage does not declare it as a source")


def _code(found: Code, step: str) -> tuple[bool | None, str]:
    """Whether the commit that is named is there, holds the files that ran, and the step among them."""
    if found.commit is None:
        return None, "no commit is known"
    if found.dirty:
        return None, f"ran from files that differed from commit {found.commit[:12]}"
    there = _code_at(found.commit)
    if there is None:
        return None, f"commit {found.commit[:12]} is not in this repository"
    sha256, files = there
    if sha256 != found.sha256:
        return False, f"commit {found.commit[:12]} holds other files"
    return f"components/{step}.py" in files, f"commit {found.commit[:12]} has no step {step}"


@cache
def _code_at(commit: str) -> tuple[str, frozenset[str]] | None:
    found = files_at(commit)
    return None if found is None else (digest_of(found), frozenset(found))


def _digest(contents: Any, name: str) -> str | None:
    return contents[name].sha256 if name in contents else None


def _item(owner: str, name: str, kind: str, digest: str, where: str, right: bool | None, why: str) -> Item:
    verdict = UNKNOWN if right is None else RIGHT if right else WRONG
    return Item(owner, name, kind, digest, where, verdict, "" if right else why)
