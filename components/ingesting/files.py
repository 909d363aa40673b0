"""A data set folder's files besides the shards: Parquet tables, the same bytes every time, and a summary."""

import hashlib
import json
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.sources import Stamp
from voco_model.data.manifest import MANIFEST_NAME
from voco_model.errors import VocoError

GROUP = 8192
"""Rows in a group, whatever the pieces in which they arrive."""

SUMMARY_NAME = "dataset.json"
SOURCES_NAME = "sources.parquet"
CHANGES_NAME = "changes.json"

SOURCES_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),  # below the source
        pa.field("size", pa.int64()),
        pa.field("tag", pa.string(), nullable=False),  # ETag, checksum or time of change
        pa.field("version", pa.string()),  # in a store that keeps versions
    ]
)
"""The state of every file that was read, in the order of the paths: what a later run compares with, or pins."""


class Rows:
    """A Parquet file written row by row."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", version="2.6", write_statistics=True)
        self._schema = schema
        self._waiting: list[tuple[Any, ...]] = []
        self.count = 0

    def add(self, *row: Any) -> None:
        """One row, its values in the schema's order."""
        self._waiting.append(row)
        self.count += 1
        if len(self._waiting) == GROUP:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._waiting, strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.table(arrays, schema=self._schema), row_group_size=GROUP)
        self._waiting = []

    def __enter__(self) -> "Rows":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._waiting:
            self._flush()
        self._writer.close()


def write_sources(path: Path, stamps: dict[str, Stamp]) -> None:
    """The state of every file that was read."""
    with Rows(path, SOURCES_SCHEMA) as rows:
        for name in sorted(stamps):
            rows.add(name, *stamps[name])


def read_sources(folder: Path) -> dict[str, Stamp]:
    """The states that an earlier data set was made from."""
    table = _table(folder / SOURCES_NAME)
    columns = [table[name].to_pylist() for name in SOURCES_SCHEMA.names]
    return {path: Stamp(*rest) for path, *rest in zip(*columns, strict=True)}


def read_summary(folder: Path) -> dict[str, Any]:
    """`dataset.json` of a whole data set."""
    try:
        return json.loads((folder / SUMMARY_NAME).read_text())
    except (OSError, ValueError) as error:
        raise VocoError(
            f"{folder}: no whole data set ({type(error).__name__}); give a folder from `voco ingest`"
        ) from None


def read_manifest(folder: Path, columns: list[str]) -> pa.Table:
    """Some columns of a data set's manifest."""
    return _table(folder / MANIFEST_NAME, columns)


def version_of(parts: dict[str, Any]) -> str:
    """The digest of a data set's content."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _table(path: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise VocoError(
            f"{path}: cannot be read ({str(error).splitlines()[0]}); ingest the data set again"
        ) from None
