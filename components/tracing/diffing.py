"""Two versions' lineages held to each other: data, settings, code, packages."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from components.auditing.lineage import Lineage
from components.ingesting.increments import Changes, compare
from components.ingesting.sets import BENCHMARKS
from components.stepping.record import Record
from components.tracing.checkout import changes
from components.tracing.fetching import Made, outputs
from components.tracing.subjects import Subject
from voco_model.data.manifest import MANIFEST_NAME
from voco_model.errors import VocoError

DERIVED = {"ingest": ("sources",), "promote": ("config_sha256",)}
"""Settings that are digests of what is compared anyway, by step."""
ABSENT = "-"


@dataclass(frozen=True)
class DataDiff:
    """What became of the records between two ingested folders."""

    same: bool
    sets: Mapping[str, Changes] = field(default_factory=dict)
    """Data sets that are not the same; one that came or went, with all its records."""
    benchmarks: tuple[str, ...] = ()
    """Those whose files changed, came or went: figures on them are not of the same questions."""


@dataclass(frozen=True)
class CodeDiff:
    """One pair of code that tasks ran with."""

    tasks: tuple[str, ...]
    before: str
    after: str
    """Commits, `dirty` said where files differed from them."""
    stat: str | None
    """`git diff --stat`; None where this repository does not have both."""


@dataclass(frozen=True)
class Diff:
    """All of it but the figures."""

    data: DataDiff
    settings: tuple[tuple[str, str, str], ...]
    """`task.key`, and its value before and after."""
    code: tuple[CodeDiff, ...]
    packages: tuple[tuple[str, str, str], ...]
    unlisted: tuple[str, ...]
    """Digests of packages of which no list was kept."""


def differ(first: Subject, second: Subject) -> Diff:
    """Everything that could have made the second another than the first."""
    packages, unlisted = _packages(first.lineage, second.lineage)
    return Diff(
        data_diff(_data(first), _data(second)),
        tuple(_settings(_records(first), _records(second))),
        tuple(_code(_records(first), _records(second))),
        tuple(packages),
        tuple(unlisted),
    )


def made_by(subject: Subject, step: str, output: str) -> Made:
    """An output of a step that is there once."""
    for entry in subject.lineage.entries:
        if entry.record.step == step:
            for made in outputs(entry):
                if made.name.endswith(f".{output}"):
                    return made
    raise VocoError(
        f"{subject.name}: its lineage has no {output} of a step {step}; compare versions of whole runs"
    )


def _data(subject: Subject) -> Made:
    return made_by(subject, "ingest", "data")


def _records(subject: Subject) -> dict[str, Record]:
    return {entry.record.task: entry.record for entry in subject.lineage.entries}


def data_diff(first: Made, second: Made) -> DataDiff:
    """By the manifests, which are all that is fetched."""
    if first.content.sha256 == second.content.sha256:
        return DataDiff(True)
    old, new = ({one["relpath"]: one["md5"] for one in made.files()} for made in (first, second))
    changed = {name for name in (*old, *new) if old.get(name) != new.get(name)}
    manifests = sorted(name for name in changed if PurePosixPath(name).name == MANIFEST_NAME)
    with tempfile.TemporaryDirectory() as folder:
        tops = [
            made.bring_files([name for name in manifests if name in there], Path(folder) / side)
            for made, there, side in ((first, old, "old"), (second, new, "new"))
        ]
        sets = {}
        for name in manifests:
            before, after = (top / PurePosixPath(name).parent for top in tops)
            sets[PurePosixPath(name).parent.as_posix()] = _changes(before, after, name in old and name in new)
    inner = {PurePosixPath(name).parts[1] for name in changed if PurePosixPath(name).parts[0] == BENCHMARKS}
    return DataDiff(False, sets, tuple(sorted(inner)))


def _changes(old: Path, new: Path, in_both: bool) -> Changes:
    if in_both:
        return compare(old, new)
    import pyarrow.parquet as pq

    there = new if (new / MANIFEST_NAME).is_file() else old
    ids = list(dict.fromkeys(pq.read_table(there / MANIFEST_NAME, columns=["id"])["id"].to_pylist()))
    return Changes(ids, [], []) if there == new else Changes([], [], ids)


def _settings(old: Mapping[str, Record], new: Mapping[str, Record]) -> Iterator[tuple[str, str, str]]:
    for task in dict.fromkeys((*old, *new)):
        if task not in old or task not in new:
            yield (task, ABSENT, "a step") if task in new else (task, "a step", ABSENT)
            continue
        before, after = (_flat(_told(record)) for record in (old[task], new[task]))
        for key in dict.fromkeys((*before, *after)):
            if before.get(key, ABSENT) != after.get(key, ABSENT):
                yield f"{task}.{key}", before.get(key, ABSENT), after.get(key, ABSENT)


def _told(record: Record) -> dict[str, Any]:
    return {key: value for key, value in record.config.items() if key not in DERIVED.get(record.step, ())}


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = json.dumps(value, ensure_ascii=False)
    return found


def _code(old: Mapping[str, Record], new: Mapping[str, Record]) -> Iterator[CodeDiff]:
    """Tasks that ran with the same two versions of the code together."""
    pairs: dict[tuple[Any, Any], list[str]] = {}
    for task in old:
        if task in new and old[task].code.sha256 != new[task].code.sha256:
            pairs.setdefault((old[task].code, new[task].code), []).append(task)
    for (before, after), tasks in pairs.items():
        yield CodeDiff(tuple(tasks), _commit(before), _commit(after), changes(before.commit, after.commit))


def _commit(code: Any) -> str:
    name = code.commit[:12] if code.commit else f"no commit, files {code.sha256[:12]}"
    return f"{name} (with changes)" if code.dirty else name


def _packages(first: Lineage, second: Lineage) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Name, version before and after."""
    used = [{entry.record.packages_sha256 for entry in one.entries} for one in (first, second)]
    if used[0] == used[1]:
        return [], []
    lists = dict(first.packages) | dict(second.packages)
    unlisted = sorted(digest for digest in used[0] | used[1] if digest not in lists)
    old, new = ("".join(lists.get(digest, "") for digest in digests) for digests in used)
    return (package_changes(old, new) if old and new else []), unlisted


def package_changes(before: str, after: str) -> list[tuple[str, str, str]]:
    """Name, version before and after, from `name==version` lines."""
    old, new = _versions(before), _versions(after)
    names = sorted({*old, *new}, key=str.lower)
    return [(n, old.get(n, ABSENT), new.get(n, ABSENT)) for n in names if old.get(n) != new.get(n)]


def _versions(lines: str) -> dict[str, str]:
    """Where steps had different ones, all of them."""
    found: dict[str, set[str]] = {}
    for line in lines.splitlines():
        name, _, version = line.partition("==")
        found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}
