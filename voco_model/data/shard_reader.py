"""Single records read out of shards: each shard's members are listed once, then read where they lie."""

import json
import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voco_model.data.shards import BLOCK
from voco_model.errors import VocoError

OPEN_SHARDS = 16
"""Shards that are kept open, in each worker."""


class _Index(NamedTuple):
    """Where each record of a shard lies, by rising number: (offset, size) of the text and of the media."""

    numbers: np.ndarray
    places: np.ndarray
    """(records, 4); the media's offset is 0 where there is none."""


class ShardReader:
    """Reads records by their number; holds few files open and reads only what it is asked for."""

    def __init__(self, folder: Path, open_shards: int = OPEN_SHARDS) -> None:
        """folder: the data set's."""
        self.folder, self.open_shards = folder, open_shards
        self._indices: dict[str, _Index] = {}
        self._files: OrderedDict[str, int] = OrderedDict()

    def record(self, shard: str, number: int) -> dict[str, Any]:
        """The record as its shard has it."""
        offset, size, _, _ = self._places(shard, number)
        try:
            record = json.loads(self._read(shard, offset, size))
        except ValueError as error:
            raise VocoError(f"{shard}: the text of record {number} is damaged ({error})") from None
        if not isinstance(record, dict) or not isinstance(record.get("turns"), list):
            raise VocoError(f"{shard}: the text of record {number} is damaged (no turns)")
        return record

    def media(self, shard: str, number: int) -> bytes:
        """The bytes of a record's media file."""
        _, _, offset, size = self._places(shard, number)
        if not offset:
            raise VocoError(f"{shard}: record {number} has lost its media")
        return self._read(shard, offset, size)

    def close(self) -> None:
        """Close all files."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _places(self, shard: str, number: int) -> tuple[int, int, int, int]:
        if shard not in self._indices:
            self._indices[shard] = _index(self.folder / "shards" / shard)
        numbers, places = self._indices[shard]
        at = int(np.searchsorted(numbers, number))
        if at == len(numbers) or numbers[at] != number or not places[at, 0]:
            raise VocoError(f"{shard}: record {number} is not in it; the shard is damaged or of another version")
        return tuple(places[at].tolist())

    def _read(self, shard: str, offset: int, size: int) -> bytes:
        data = os.pread(self._file(shard), size, offset)
        while data and len(data) < size:
            more = os.pread(self._file(shard), size - len(data), offset + len(data))
            if not more:
                break
            data += more
        if len(data) < size:
            raise VocoError(f"{shard}: ends in the middle of a record")
        return data

    def _file(self, shard: str) -> int:
        if shard not in self._files:
            while len(self._files) >= self.open_shards:
                os.close(self._files.popitem(last=False)[1])
            self._files[shard] = os.open(self.folder / "shards" / shard, os.O_RDONLY)
        self._files.move_to_end(shard)
        return self._files[shard]


def _index(path: Path) -> _Index:
    """All members of a shard; of a damaged one, those before the damage."""
    found: dict[int, list[int]] = {}
    for name, offset, size in _members(path):
        stem, _, suffix = name.partition(".")
        if stem.isascii() and stem.isdigit() and len(stem) < 19:
            of_record = found.setdefault(int(stem), [0, 0, 0, 0])
            at = 0 if suffix == "json" else 2
            of_record[at : at + 2] = offset, size
    numbers = np.array(sorted(found), dtype=np.int64)
    places = np.array([found[n] for n in numbers.tolist()], dtype=np.int64).reshape(-1, 4)
    return _Index(numbers, places)


def _members(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, offset and size of a tar's files, up to its end or the first header that is damaged.

    Every worker asks this of every shard that it touches, and `tarfile` takes ten times as long.
    """
    with open(path, "rb", buffering=0) as file:
        at = 0
        while len(header := os.pread(file.fileno(), BLOCK, at)) == BLOCK and header[0]:
            try:
                size, checksum = (int(header[a:b].rstrip(b"\0 "), 8) for a, b in ((124, 136), (148, 156)))
            except ValueError:
                return
            if sum(header) - sum(header[148:156]) + sum(b" " * 8) != checksum:
                return
            if header[156:157] in (b"0", b"\0"):
                yield header[:100].split(b"\0")[0].decode("latin-1"), at + BLOCK, size
            at += BLOCK + size + -size % BLOCK
