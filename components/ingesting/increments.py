"""A data set's earlier version: what need not be read again, and what has become different."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from components.ingesting.files import read_manifest, read_sources, read_summary
from components.sources import Stamp
from voco_model.data.media import MediaFacts
from voco_model.data.shards import Span, record_key, shard_members

MEDIA_COLUMNS = ["media", "shard", "digest", "bytes", "width", "height", "duration", "frames", "perceptual_hash"]
SAID_COLUMNS = ["id", "media_kind", "media", "digest", "conversation", "source", "split"]


@dataclass(frozen=True)
class Changes:
    """Ids of records, each list in order."""

    added: list[str]
    changed: list[str]
    """In both versions, with other words or another picture."""
    removed: list[str]


class Earlier:
    """The media that an earlier version has looked into."""

    def __init__(self, folder: Path, source: str, decode: bool) -> None:
        """source, decode: the new version's; media from elsewhere, or not looked into as far, are not reused."""
        summary = read_summary(folder)
        self._folder, self.version = folder, summary["version"]
        self._rows: dict[str, int] = {}
        if summary["source"]["uri"] != source or summary["decoded"] < decode:
            return
        table = read_manifest(folder, MEDIA_COLUMNS)
        self._columns = [table[name].to_pylist() for name in MEDIA_COLUMNS]
        prefix = summary["source"]["media"]
        self._stamps = read_sources(folder)
        self._rows = {prefix + media: row for row, media in enumerate(self._columns[0]) if media is not None}
        self._members = lru_cache(4)(self._read_members)

    def find(self, path: str, stamp: Stamp, with_bytes: bool) -> tuple[MediaFacts, Span | None] | None:
        """The facts of a file in this very state, and its bytes in the earlier shards if they are wanted."""
        row = self._rows.get(path)
        if row is None or not stamp.tag or stamp[:2] != self._stamps[path][:2]:
            return None
        _, shard, *facts = (column[row] for column in self._columns)
        if not with_bytes:
            return MediaFacts(*facts), None
        return (MediaFacts(*facts), self._members(shard)[record_key(row)]) if shard else None

    def _read_members(self, shard: str) -> dict[str, Span]:
        named = shard_members(self._folder / "shards" / shard)
        return {name.partition(".")[0]: span for name, span in named if not name.endswith(".json")}


def compare(earlier: Path, later: Path) -> Changes:
    """What became of the records between two versions."""
    old, new = _fingerprints(earlier), _fingerprints(later)
    return Changes(
        added=[name for name in new if name not in old],
        changed=[name for name in new if name in old and old[name] != new[name]],
        removed=[name for name in old if name not in new],
    )


def _fingerprints(folder: Path) -> dict[str, int]:
    """For each id, what its records say; their order does not matter where several share an id."""
    sums: dict[str, int] = {}
    table = read_manifest(folder, SAID_COLUMNS)
    for batch in table.to_batches(max_chunksize=8192):
        for name, *said in _rows(batch.to_pydict().values()):
            digest = hashlib.blake2b(repr(said).encode(), digest_size=16).digest()
            sums[name] = sums.get(name, 0) + int.from_bytes(digest)
    return sums


def _rows(columns: Iterable[list[Any]]) -> Iterable[tuple[Any, ...]]:
    return zip(*columns, strict=True)
