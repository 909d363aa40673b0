"""The raw data: fetched again from where it was read, and compared with what was ingested."""

import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from components.auditing.attested import check_attestation
from components.auditing.copies import output_file
from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.lineage import Entry, Lineage
from components.ingesting.files import SOURCES_NAME, SOURCES_SCHEMA, SUMMARY_NAME
from components.ingesting.sets import BENCHMARKS, SMALL_WORLD, SUMMARY, Sets
from components.sources import Source, Stamp, open_source
from components.stepping.digests import AT_ONCE, content_of, sha256_of, text_digest
from components.stepping.record import code, packages
from voco_model.data.manifest import MANIFEST_NAME
from voco_model.data.media import MediaFault

KIND, OUTPUT = "raw data", "data"
NAMED = 3
"""Files that are named where several differ."""
MOST_ERRORS = 20
"""Files that could not be fetched before the rest of a data set is left alone: each was tried again and again."""
GONE = "not there any more"
Finding = tuple[str, str, str]
"""What it should be, verdict, why."""


def check_raw(lineage: Lineage, keys: Mapping[str, Any], ingested: Item | None) -> Iterator[Item]:
    """One item for each data set and each benchmark that the run ingested.

    keys: the trusted ones. Nobody else's word is followed to a store or server.
    ingested: what is known of the data that was made of it; only the right one says what raw data were.
    """
    entry = lineage.entry("ingest")
    if entry is None:
        return  # whoever checks that the validation was of this data says so
    if check_attestation(entry, keys, "").verdict != RIGHT:
        yield _unknown(entry, "not fetched: the record that says from where is not attested")
    elif ingested is None or ingested.verdict != RIGHT:
        yield _unknown(entry, f"nothing to compare with: {OUTPUT} is not there as it was made")
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield from _check(entry, Path(folder))


def _check(entry: Entry, folder: Path) -> Iterator[Item]:
    try:
        sets = Sets(entry.record.config)
        raw = Raw(entry, sets, folder, sets.drawn(folder))
        source, names = sets.benchmarks
        listed = raw.benchmarks()
        places = {
            name: f"{sets.source_of(one).rstrip('/')}/{one['annotations']}" for name, one in sets.sets.items()
        }
    except Exception as error:  # settings that were recorded may be anything
        yield _unknown(entry, _one_line(error))
        return
    for name, place in places.items():
        yield _answered(entry, name, place, lambda name=name: raw.check_set(name))  # type: ignore[misc]
    for name in dict.fromkeys([*names, *listed]):
        place = f"{source.rstrip('/')}/{name}"
        yield _answered(entry, name, place, lambda name=name: raw.check_benchmark(name, listed))  # type: ignore[misc]


@dataclass
class Raw:
    """What one ingest read."""

    entry: Entry
    """The ingest's."""
    sets: Sets
    work: Path
    world: Path | None
    """The small world, drawn again, where it was a source."""
    errors: int = field(default=0, init=False)

    def check_set(self, name: str) -> Finding:
        """Every file that a data set was made from: its records, its pictures and clips."""
        one = self.sets.sets[name]
        source = self.sets.source_of(one)
        wanted, versions = self._ingested(name)
        digest = text_digest(sorted(wanted.items()))
        self.errors = 0
        with closing(self._opened(source, one)) as opened, ThreadPoolExecutor(AT_ONCE) as pool:
            has = list(pool.map(lambda path: self._fetched(opened, path, versions.get(path)), wanted))
        found = dict(zip(wanted, has, strict=True))
        changed = [path for path, (sha256, _) in found.items() if sha256 not in (None, wanted[path])]
        missing = [f"{path}: {why}" for path, (sha256, why) in found.items() if sha256 is None]
        if changed:
            return digest, *self._other(source, changed)
        if missing:
            return digest, UNKNOWN, _some(sorted(missing, key=lambda said: said.endswith(GONE)))
        return digest, RIGHT, f"{len(found)} files read again"

    def benchmarks(self) -> dict[str, Any]:
        """Benchmark to the digest of the files that were taken."""
        return dict(json.loads(self._read(SUMMARY))["benchmarks"])

    def check_benchmark(self, name: str, listed: Mapping[str, Any]) -> Finding:
        """The official files, as they were taken."""
        out, digest = self.work / BENCHMARKS, listed.get(name)
        if not isinstance(digest, str):
            return "", UNKNOWN, f"{OUTPUT}/{SUMMARY} does not say what it was"
        self.sets.take_benchmarks(out, self.work, self.world, only=name)
        if not (out / name).exists():
            return digest, UNKNOWN, GONE
        if content_of(out / name).sha256 == digest:
            return digest, RIGHT, ""
        return digest, *self._other(self.sets.benchmarks[0], [name])

    def _ingested(self, name: str) -> tuple[dict[str, str], dict[str, Stamp]]:
        """Path below the source to digest; and the states of those whose store keeps versions."""
        source = json.loads(self._read(f"{name}/{SUMMARY_NAME}"))["source"]
        manifest = _table(self._read(f"{name}/{MANIFEST_NAME}"), ["media", "digest"])
        states = _table(self._read(f"{name}/{SOURCES_NAME}"), SOURCES_SCHEMA.names)
        wanted = {source["annotations"]: source["annotations_digest"]}
        wanted |= {
            source["media"] + path: digest for path, digest in zip(*manifest, strict=True) if path and digest
        }
        stamps = {path: Stamp(*rest) for path, *rest in zip(*states, strict=True)}
        return wanted, {path: stamp for path, stamp in stamps.items() if stamp.version}

    def _opened(self, source: str, one: Mapping[str, Any]) -> Source:
        if source == SMALL_WORLD:
            return open_source(str(self.world), self.work)
        endpoint = one.get("endpoint_url", self.sets.settings.get("endpoint_url"))
        return open_source(source, self.work / "fetched", listed=str(one.get("media", "")), endpoint_url=endpoint)

    def _fetched(self, opened: Source, path: str, version: Stamp | None) -> tuple[str | None, str]:
        """What the file has now, or in the version that was read; or why that is not known."""
        if self.errors >= MOST_ERRORS:
            return None, "not fetched, as many before it could not be"
        try:
            stamp = version or opened.stamp(path)
            local = stamp if isinstance(stamp, MediaFault) else opened.fetch(path, stamp)
            if isinstance(local, MediaFault):
                return None, GONE if local.code == "missing_media" else local.reason
            digest = sha256_of(Path(local))
            if (self.work / "fetched") in Path(local).parents:
                Path(local).unlink(missing_ok=True)  # what was fetched for this alone is not kept
            return digest, ""
        except Exception as error:  # one file says nothing of the others
            self.errors += 1
            return None, _one_line(error)

    def _read(self, file: str) -> bytes:
        found = output_file(self.entry, OUTPUT, file)
        if found is None:
            raise ValueError(f"no copy of {OUTPUT}/{file} can be read")
        return found

    def _other(self, source: str, changed: list[str]) -> tuple[str, str]:
        """The verdict on other bytes: wrong, unless they may be other things than those that were read."""
        record = self.entry.record
        if source == SMALL_WORLD and (
            text_digest(packages()) != record.packages_sha256 or code().sha256 != record.code.sha256
        ):
            return UNKNOWN, f"drawn with other packages or by other code: {_some(changed)}"
        if "://" not in source and source != SMALL_WORLD and not Path(source).is_absolute():
            return UNKNOWN, f"the folder of this name here has other bytes: {_some(changed)}"
        return WRONG, f"other bytes: {_some(changed)}"


def _answered(entry: Entry, name: str, place: str, look: Callable[[], Finding]) -> Item:
    try:
        digest, verdict, why = look()
    except Exception as error:  # what a step left, or a source holds, may be anything
        digest, verdict, why = "", UNKNOWN, _one_line(error)
    return Item(entry.record.task, name, KIND, digest, place, verdict, why)


def _unknown(entry: Entry, why: str) -> Item:
    return Item(entry.record.task, KIND, KIND, "", "", UNKNOWN, why)


def _table(data: bytes, columns: list[str]) -> list[list[Any]]:
    table = pq.read_table(io.BytesIO(data), columns=columns)
    return [table[name].to_pylist() for name in columns]


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + more


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
