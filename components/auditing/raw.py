"""The raw data: fetched again from where it was read, and compared with what was ingested."""

import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.auditing.attested import check_attestation
from components.auditing.copies import output_file
from components.auditing.items import RIGHT, UNKNOWN, WRONG, Item
from components.auditing.lineage import Entry, Lineage
from components.ingesting.files import SOURCES_NAME, SOURCES_SCHEMA, SUMMARY_NAME
from components.ingesting.sets import BENCHMARKS, SMALL_WORLD, SUMMARY, Sets
from components.sources import Source, Stamp, open_source
from components.stepping.digests import AT_ONCE, content_of, sha256_of, text_digest
from components.stepping.record import packages
from voco_model.data.manifest import MANIFEST_NAME
from voco_model.data.media import MediaFault
from voco_model.errors import VocoError

KIND, OUTPUT = "raw data", "data"
NAMED = 3
"""Files that are named where several differ."""


def check_raw(lineage: Lineage, keys: Mapping[str, Any]) -> Iterator[Item]:
    """One item for each data set and each benchmark that the run ingested.

    keys: the trusted ones. Nobody else's word is followed to a store or server.
    """
    entry = lineage.entry("ingest")
    if entry is None:
        return  # whoever checks that the validation was of this data says so
    if check_attestation(entry, keys, "").verdict != RIGHT:
        why = "not fetched: the record that says from where is not attested"
        yield Item(entry.record.task, KIND, KIND, "", "", UNKNOWN, why)
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            sets = Sets(entry.record.config)
            raw = Raw(entry, sets, Path(folder), sets.drawn(Path(folder)))
        except (VocoError, OSError) as error:
            yield Item(entry.record.task, KIND, KIND, "", "", UNKNOWN, _one_line(error))
            return
        for name in sets.sets:
            yield raw.check_set(name)
        yield from raw.check_benchmarks()


@dataclass(frozen=True)
class Raw:
    """What one ingest read."""

    entry: Entry
    """The ingest's."""
    sets: Sets
    work: Path
    world: Path | None
    """The small world, drawn again, where it was a source."""

    def check_set(self, name: str) -> Item:
        """Every file that a data set was made from: its records, its pictures and clips."""
        one = self.sets.sets[name]
        source = self.sets.source_of(one)
        head = (self.entry.record.task, name, KIND)
        place = f"{source.rstrip('/')}/{one['annotations']}"
        try:
            wanted, pins = self._ingested(name)
            digest = text_digest(sorted(wanted.items()))
            with (
                closing(self._opened(source, str(one.get("media", "")), one, pins)) as opened,
                ThreadPoolExecutor(AT_ONCE) as pool,
            ):
                found = dict(zip(wanted, pool.map(lambda path: self._fetched(opened, path), wanted), strict=True))
        except (VocoError, OSError) as error:
            return Item(*head, "", place, UNKNOWN, _one_line(error))
        changed = [path for path, has in found.items() if isinstance(has, str) and has != wanted[path]]
        gone = [path for path, has in found.items() if has is None]
        if changed:
            return Item(*head, digest, place, *self._other(source, changed))
        if gone:
            return Item(*head, digest, place, UNKNOWN, f"not there any more: {_some(gone)}")
        return Item(*head, digest, place, RIGHT, f"{len(found)} files read again")

    def check_benchmarks(self) -> Iterator[Item]:
        """The official files, as they were taken."""
        source, names = self.sets.benchmarks
        if not names:
            return
        task, out = self.entry.record.task, self.work / BENCHMARKS
        try:
            wanted = json.loads(self._read(SUMMARY))["benchmarks"]
            self.sets.take_benchmarks(out, self.work, self.world)
        except (VocoError, OSError, ValueError, KeyError) as error:
            yield Item(task, BENCHMARKS, KIND, "", source, UNKNOWN, _one_line(error))
            return
        for name, digest in wanted.items():
            head = (task, name, KIND, digest, f"{source.rstrip('/')}/{name}")
            if not (out / name).exists():
                yield Item(*head, UNKNOWN, "not there any more")
            elif content_of(out / name).sha256 == digest:
                yield Item(*head, RIGHT)
            else:
                yield Item(*head, *self._other(source, [name]))

    def _ingested(self, name: str) -> tuple[dict[str, str], dict[str, Stamp] | None]:
        """Path below the source to digest; and the versions to read, where all of them are known."""
        try:
            source = json.loads(self._read(f"{name}/{SUMMARY_NAME}"))["source"]
            manifest = _table(self._read(f"{name}/{MANIFEST_NAME}"), ["media", "digest"])
            states = _table(self._read(f"{name}/{SOURCES_NAME}"), SOURCES_SCHEMA.names)
            wanted = {source["annotations"]: source["annotations_digest"]}
        except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise VocoError(f"{OUTPUT}/{name}: cannot be read ({_one_line(error)})") from None
        media = zip(*manifest, strict=True)
        wanted |= {source["media"] + path: digest for path, digest in media if path is not None and digest}
        stamps = {path: Stamp(*rest) for path, *rest in zip(*states, strict=True)}
        pinned = all(stamp.version for stamp in stamps.values())
        return wanted, stamps if pinned else None

    def _opened(self, source: str, media: str, one: Mapping[str, Any], pins: dict[str, Stamp] | None) -> Source:
        if source == SMALL_WORLD:
            return open_source(str(self.world), self.work)
        endpoint = one.get("endpoint_url", self.sets.settings.get("endpoint_url"))
        versions = pins if source.startswith("s3://") else None
        return open_source(source, self.work / "fetched", listed=media, endpoint_url=endpoint, pins=versions)

    def _fetched(self, opened: Source, path: str) -> str | None:
        """What the file has now; None where there is none. What was fetched for it is not kept."""
        stamp = opened.stamp(path)
        local = stamp if isinstance(stamp, MediaFault) else opened.fetch(path, stamp)
        if isinstance(local, MediaFault):
            return None
        digest = sha256_of(Path(local))
        if (self.work / "fetched") in Path(local).parents:
            Path(local).unlink(missing_ok=True)
        return digest

    def _read(self, file: str) -> bytes:
        found = output_file(self.entry, OUTPUT, file)
        if found is None:
            raise VocoError(f"no copy of {OUTPUT}/{file} is left to compare with")
        return found

    def _other(self, source: str, changed: list[str]) -> tuple[str, str]:
        """The verdict on other bytes. Other versions of libraries may well draw other pictures."""
        if source == SMALL_WORLD and text_digest(packages()) != self.entry.record.packages_sha256:
            return UNKNOWN, f"drawn with other packages: {_some(changed)}"
        return WRONG, f"other bytes: {_some(changed)}"


def _table(data: bytes, columns: list[str]) -> list[list[Any]]:
    table = pq.read_table(io.BytesIO(data), columns=columns)
    return [table[name].to_pylist() for name in columns]


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + more


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
