"""One run of the ingest step, from the annotations to `dataset.json`."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from components.ingesting.config import IngestConfig, IngestReport
from components.ingesting.files import (
    CHANGES_NAME,
    SOURCES_NAME,
    SUMMARY_NAME,
    Rows,
    read_sources,
    version_of,
    write_sources,
)
from components.ingesting.increments import Earlier, compare
from components.ingesting.looking import Looker, Prepared
from components.sources import Source, Stamp, open_source
from voco_model.data.manifest import MANIFEST_NAME, QUARANTINE_NAME, QUARANTINE_SCHEMA, SCHEMA
from voco_model.data.media import MediaFacts, MediaFault
from voco_model.data.records import Quarantined, Record
from voco_model.data.shards import ShardWriter, file_digest
from voco_model.errors import VocoError

Reader = Callable[..., Iterator[Record | Quarantined]]


class Ingestion:
    """One run, into a folder that is nobody's yet."""

    def __init__(self, config: IngestConfig, staging: Path, cache: Path, read: Reader) -> None:
        self._config, self._staging, self._read = config, staging, read
        self._earlier = Earlier(config.previous, config.source, config.decode) if config.previous else None
        self._stamps: dict[str, Stamp] = {}
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        pins = read_sources(config.pins) if config.pins else None
        self._source: Source = open_source(
            config.source,
            cache,
            listed=config.media_prefix,
            endpoint_url=config.endpoint_url,
            pins=pins,
            workers=config.workers,
        )

    def run(self) -> IngestReport:
        try:
            annotations, stamp = self._fetch_annotations()
            shards = self._write(self._records(annotations))
        finally:
            self._source.close()
        self._judge()
        write_sources(self._staging / SOURCES_NAME, self._stamps)
        changes = None
        if self._earlier and self._config.previous:
            changes = compare(self._config.previous, self._staging)
            told = {"previous": self._earlier.version, **asdict(changes)}
            (self._staging / CHANGES_NAME).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        version = self._summarise(shards, stamp, file_digest(annotations))
        return IngestReport(
            out=self._config.out,
            version=version,
            records=self._counts["records"],
            quarantined=self._counts["quarantined"],
            reasons=dict(sorted(self._reasons.items())),
            shards=len(shards),
            bytes=self._counts["bytes"],
            reused=self._counts["reused"],
            changes=changes,
        )

    def _fetch_annotations(self) -> tuple[Path, Stamp]:
        path = self._config.annotations
        where = f"{self._config.source.rstrip('/')}/{path}"
        stamp = self._source.stamp(path)
        if isinstance(stamp, MediaFault):
            raise VocoError(f"{where}: {stamp.reason}; check source and annotations")
        local = self._source.fetch(path, stamp)
        if isinstance(local, MediaFault):
            raise VocoError(f"{where}: {local.reason}; check source and annotations")
        self._stamps[path] = stamp
        return Path(local), stamp

    def _records(self, annotations: Path) -> Iterator[Record | Quarantined]:
        """The records, each saying where it was read by its place in the source, not by a download's."""
        root = None if "://" in self._config.source else Path(self._config.source, self._config.media_prefix)
        for record in self._read(annotations, self._config.kind, root=root):
            yield _renamed(record, self._config.annotations)

    def _write(self, records: Iterator[Record | Quarantined]) -> list[dict[str, Any]]:
        """Manifest, quarantine and shards, in the order of the records."""
        config = self._config
        with (
            Rows(self._staging / MANIFEST_NAME, SCHEMA) as manifest,
            Rows(self._staging / QUARANTINE_NAME, QUARANTINE_SCHEMA) as quarantine,
            ShardWriter(self._staging, config.shard_size) as shards,
        ):
            for done in Looker(config, self._source, self._earlier).prepared(records):
                if done.path and done.stamp:
                    self._stamps[done.path] = done.stamp
                record, facts = done.record, done.facts
                if isinstance(record, Quarantined):
                    quarantine.add(record.file, record.line, record.id, record.code, record.reason)
                    self._reasons[record.code] += 1
                    continue
                shard = None
                if config.shards:
                    shard = shards.add(record, done.span, facts.digest if facts else None)
                manifest.add(*_row(done, facts, config.split, shard))
                self._counts["bytes"] += facts.bytes if facts else 0
                self._counts["reused"] += done.reused
            self._counts.update(records=manifest.count, quarantined=quarantine.count)
        return [asdict(shard) for shard in shards.shards]

    def _judge(self) -> None:
        """Refuse a data set that is empty, or from which too much was set aside."""
        records, quarantined = self._counts["records"], self._counts["quarantined"]
        source = f"{self._config.source.rstrip('/')}/{self._config.annotations}"
        if not records + quarantined:
            raise VocoError(f"{source}: holds no records; check the file and kind={self._config.kind}")
        if records and quarantined <= self._config.quarantine_limit * (records + quarantined):
            return
        kept = self._config.out.with_name(f"{self._config.out.name}.{QUARANTINE_NAME}")
        os.replace(self._staging / QUARANTINE_NAME, kept)
        most = ", ".join(f"{code} {n}" for code, n in self._reasons.most_common(4))
        raise VocoError(
            f"{source}: {quarantined} of {records + quarantined} records were set aside ({most}), more than "
            f"quarantine_limit {self._config.quarantine_limit:g} allows; see {kept}, mend them or raise the limit"
        )

    def _summarise(self, shards: list[dict[str, Any]], stamp: Stamp, annotations_digest: str) -> str:
        """Write `dataset.json`, the last file; gives the version."""
        config = self._config
        content = {
            "kind": config.kind,
            "split": config.split,
            "manifest": file_digest(self._staging / MANIFEST_NAME),
            "quarantine": file_digest(self._staging / QUARANTINE_NAME),
            "shard_digests": [shard["digest"] for shard in shards],
        }
        version = version_of(content)
        summary = {
            "name": config.name,
            **content,
            "version": version,
            "records": self._counts["records"],
            "quarantined": self._counts["quarantined"],
            "reasons": dict(sorted(self._reasons.items())),
            "bytes": self._counts["bytes"],
            "shards": len(shards),
            "shard_size": config.shard_size,
            "shard_files": shards,
            "decoded": config.decode,
            "source": {
                "uri": config.source_name or config.source,
                "annotations": config.annotations,
                "annotations_digest": annotations_digest,
                "annotations_version": stamp.version,
                "media": self._config.media_prefix,
                "files": len(self._stamps),
                "lock": SOURCES_NAME,
            },
        }
        (self._staging / SUMMARY_NAME).write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
        return version


def _renamed(record: Record | Quarantined, file: str) -> Record | Quarantined:
    if isinstance(record, Quarantined):
        return replace(record, file=file)
    # For Record, replace() would take as long as reading it.
    return Record(
        record.id, record.media_kind, record.media, record.turns, record.source, file, record.line, record.extra
    )


def _row(done: Prepared, facts: MediaFacts | None, split: str, shard: str | None) -> tuple[Any, ...]:
    """The manifest's row, in the order of its columns."""
    record = done.record
    assert isinstance(record, Record)
    return (
        record.id,
        facts.digest if facts else None,
        facts.bytes if facts else 0,
        facts.width if facts else None,
        facts.height if facts else None,
        facts.duration if facts else None,
        facts.frames if facts else None,
        len(record.turns),
        record.text_length,
        record.source,
        split,
        record.file,
        record.line,
        record.media_kind,
        record.media,
        facts.perceptual_hash if facts else None,
        done.conversation,
        shard,
    )
