"""Shards: webdataset tars of a stated size, the same bytes for the same records."""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, NamedTuple

from voco_model.data.manifest import SHARD_PATTERN
from voco_model.data.records import Record
from voco_model.errors import VocoError
from voco_model.files import whole_file

BLOCK = 512
CHUNK = 1024 * 1024
END = 2 * BLOCK
"""Two empty blocks end a tar; nothing is padded further."""


class Span(NamedTuple):
    """Where a media file's bytes lie: a file of its own, or a part of an earlier shard."""

    path: Path | str
    start: int
    size: int


@dataclass(frozen=True)
class ShardFacts:
    """One written shard."""

    name: str
    digest: str
    bytes: int
    records: int


_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def record_key(number: int) -> str:
    """The name of a record's members: its place in the data set, in nine digits."""
    return f"{number:09d}"


def media_suffix(media: str) -> str:
    """The member's ending, from the file's: lower case, "bin" where there is none that a tar can carry."""
    suffix = PurePosixPath(media).suffix.lower().removeprefix(".")
    return suffix if suffix.isascii() and suffix.isalnum() and len(suffix) <= 8 and suffix != "json" else "bin"


def record_json(record: Record) -> bytes:
    """The record as its shard has it."""
    fields = {
        "id": record.id,
        "media_kind": record.media_kind,
        "media": record.media,
        "turns": [{"from": said.speaker, "value": said.text} for said in record.turns],
        "source": record.source,
        "file": record.file,
        "line": record.line,
        "extra": record.extra,
    }
    return _JSON.encode(fields).encode()


class ShardWriter:
    """Writes records one after another; a shard is closed before it would grow past the target.

    A record larger than the target has a shard of its own. Use as a context: on an error, the unfinished
    shard disappears.
    """

    def __init__(self, folder: Path, target_bytes: int) -> None:
        """folder: the data set's; target_bytes: the size of a shard."""
        if target_bytes < 1:
            raise VocoError(f"shard size is {target_bytes} bytes; give at least 1, such as 268435456")
        self.folder, self.target = folder, target_bytes
        self.shards: list[ShardFacts] = []
        self._open: _OpenShard | None = None
        self._records = 0

    def add(self, record: Record, media: Span | None, digest: str | None) -> str:
        """Write one record and, checked against `digest`, its media; gives the name of the shard."""
        text = record_json(record)
        size = _padded(len(text)) + (_padded(media.size) if media else 0)
        if self._open and self._open.size + size + END > self.target:
            self._finish()
        if self._open is None:
            self._open = _OpenShard(self.folder / SHARD_PATTERN.format(len(self.shards)))
        key = record_key(self._records)
        self._open.member(f"{key}.json", text)
        if media:
            self._open.copy(f"{key}.{media_suffix(record.media or '')}", media, digest)
        self._open.records += 1
        self._records += 1
        return self._open.name

    def _finish(self) -> None:
        if self._open:
            self.shards.append(self._open.close())
            self._open = None

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
        elif self._open:
            self._open.discard(kind, error, trace)


class _OpenShard:
    """A shard while it grows, under a temporary name."""

    def __init__(self, path: Path) -> None:
        self.name, self.records, self.size = path.name, 0, 0
        self._stack = ExitStack()
        temporary = self._stack.enter_context(whole_file(path))
        self._file = self._stack.enter_context(temporary.open("wb", buffering=CHUNK))
        self._digest = hashlib.sha256()

    def member(self, name: str, data: bytes) -> None:
        self._header(name, len(data))
        self._write(data)
        self._write(bytes(-len(data) % BLOCK))

    def copy(self, name: str, media: Span, digest: str | None) -> None:
        """A member from a file; one that is not what was looked into before would be a silent lie."""
        self._header(name, media.size)
        seen, left = hashlib.sha256(), media.size
        with open(media.path, "rb") as file:
            file.seek(media.start)
            while left and (data := file.read(min(CHUNK, left))):
                seen.update(data)
                self._write(data)
                left -= len(data)
        if left or (digest is not None and seen.hexdigest() != digest):
            raise VocoError(f"{media.path}: changed while it was being read; leave the source alone and run again")
        self._write(bytes(-media.size % BLOCK))

    def close(self) -> ShardFacts:
        self._write(bytes(END))
        self._stack.close()
        return ShardFacts(self.name, self._digest.hexdigest(), self.size, self.records)

    def discard(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def _header(self, name: str, size: int) -> None:
        info = tarfile.TarInfo(name)  # mtime, uid and gid are 0, the mode is 0644
        info.size = size
        self._write(info.tobuf(tarfile.USTAR_FORMAT))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)


def _padded(size: int) -> int:
    return BLOCK + size + -size % BLOCK


def shard_members(path: Path) -> Iterator[tuple[str, Span]]:
    """Name and place of every member, without reading their contents."""
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                yield member.name, Span(path, member.offset_data, member.size)
    except (tarfile.TarError, OSError) as error:
        raise VocoError(f"{path}: cannot be read as a shard ({error}); ingest the data set again") from None


def read_shard(path: Path) -> Iterator[tuple[str, dict[str, Any], bytes | None]]:
    """Key, record and media of one shard, in order."""
    key, media = "", None
    record: dict[str, Any] = {}
    with open(path, "rb") as file:
        for name, span in shard_members(path):
            file.seek(span.start)
            data = file.read(span.size)
            stem, _, suffix = name.partition(".")
            if suffix == "json":
                if key:
                    yield key, record, media
                key, record, media = stem, json.loads(data), None
            elif stem == key:
                media = data
            else:
                raise VocoError(f"{path}: {name} stands apart from its record; ingest the data set again")
    if key:
        yield key, record, media


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
