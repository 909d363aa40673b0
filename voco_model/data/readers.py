"""The training data sets' own files, record by record: JSON array, JSON lines, CSV or Parquet, plain or gzip.

What a file is, is told from its content, never from its name. Text is passed on as it stands.
"""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from voco_model.data.byte_source import PARQUET, ByteSource, Window, start
from voco_model.data.csv_stream import read_rows
from voco_model.data.faults import LIMITS, Fault, Limits, shown
from voco_model.data.json_array import ArrayReader
from voco_model.data.json_stream import Placed, read_lines
from voco_model.data.media_folders import MediaFolders
from voco_model.data.parquet_stream import read_parquet
from voco_model.data.paths import MediaRoot
from voco_model.data.records import KINDS, Quarantined, Record
from voco_model.data.shapes import Shaper, identity_of
from voco_model.errors import VocoError

FIELDS = {
    "llava_pretrain": {"id", "image", "conversations"},
    "llava_instruct": {"id", "conversations"},
    "webvid": {"videoid", "name", "page_dir"},
    "video_chatgpt": {"q", "a", "video_id"},
}
"""The fields that a record of each kind cannot do without."""

_ILL_FORMED = {"wrong_shape", "bad_json", "bad_csv"}
"""Faults of a record that was looked at whole and is not of the kind."""
_HEADER_BYTES = 4096
_HEADER_CELL = re.compile(r"[A-Za-z_][\w .-]*")


def read_records(
    path: Path | str, kind: str, *, root: Path | str | None = None, limits: Limits = LIMITS
) -> Iterator[Record | Quarantined]:
    """The records of a file, and in their places those that are set aside.

    kind: one of `KINDS`.
    root: the folder that media paths start from; without it they are checked by what they say alone.

    The call checks its arguments and the beginning of the file; records are read as they are taken. A file that
    turns out to hold no record of the kind is a VocoError, raised after its last record.
    """
    path = Path(path)
    if kind not in KINDS:
        raise VocoError(f"{kind}: no such kind of data set; choose one of {', '.join(KINDS)}")
    media = MediaRoot(Path(root) if root is not None else None)
    if not path.is_file():
        raise VocoError(f"{path}: no such file; give a data set's JSON, JSON lines, CSV or Parquet file")
    file = _opened(path)
    try:
        rows = _rows(file, path, kind, limits)
    except BaseException:
        file.close()
        raise
    return _records(file, rows, path, kind, media, limits)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise VocoError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from None


def _rows(file: BinaryIO, path: Path, kind: str, limits: Limits) -> Iterator[Placed]:
    """The reader that the content asks for."""
    source = ByteSource(file, limits)
    window = Window(source)
    at = start(window, path)
    if window.data.startswith(PARQUET):
        if not source.unpacks:
            return read_parquet(file, path, limits)
        return _unpacked_parquet(window, path, limits)
    at, lines = window.skip_space(at)
    if at == len(window.data) and window.broken is None:
        raise VocoError(f"{path}: is empty; give a data set's file")
    first = window.data[at : at + 1]
    if first == b"[":
        return iter(ArrayReader(window, at, limits, FIELDS[kind]))
    if first not in (b"", b"{"):
        at = window.ahead(at, _HEADER_BYTES)
        if _is_header(window.data[at : at + _HEADER_BYTES]):
            return read_rows(window, at, limits, lines + 1)
    return read_lines(window, at, limits, lines + 1)


def _is_header(beginning: bytes) -> bool:
    """Whether the first line is several names with commas between."""
    cells = beginning.split(b"\n")[0].decode(errors="replace").split(",")
    return len(cells) > 1 and all(_HEADER_CELL.fullmatch(cell.strip().strip('"')) for cell in cells)


def _unpacked_parquet(window: Window, path: Path, limits: Limits) -> Iterator[Placed]:
    """Parquet is read from its end, so one within gzip is unpacked to a temporary file first."""
    with tempfile.TemporaryFile() as spool:
        spool.write(window.data)
        while window.more(len(window.data)):
            spool.write(window.data)
        if window.broken:
            raise VocoError(f"{path}: {window.broken.reason}")
        spool.flush()
        yield from read_parquet(spool, path, limits)


def _records(
    file: BinaryIO, rows: Iterator[Placed], path: Path, kind: str, media: MediaRoot, limits: Limits
) -> Iterator[Record | Quarantined]:
    name = media.relative(path)
    shaper, folders, tally = Shaper(kind, media, limits), MediaFolders(media.root), _Tally(path, kind)
    with file:
        for place, row in rows:
            try:
                if isinstance(row, Fault):
                    raise row
                shaped = shaper.shape(row)
                tally.shaped += 1
                shaper.check(shaped)
            except Fault as fault:
                tally.add(fault, row, place)
                yield Quarantined(name, place, fault.reason, fault.code, identity_of(row))
                continue
            folders.see(shaped.media)
            yield Record(*shaped[:4], kind, name, place, shaped.extra)
    folders.check()
    tally.check()


class _Tally:
    """What a file held, to tell one with faults from one of another kind."""

    def __init__(self, path: Path, kind: str) -> None:
        self.shaped = 0
        self._path, self._kind = path, kind
        self._codes: set[str] = set()
        self._fields: set[str] = set()
        self._first: str | None = None

    def add(self, fault: Fault, row: Any, place: int) -> None:
        self._codes.add(fault.code)
        self._first = self._first or f"the first, number {place}: {fault.reason}"
        if isinstance(row, dict) and len(self._fields) < 50:
            self._fields.update(row)

    def check(self) -> None:
        """VocoError if the file, read whole, held nothing of the kind."""
        if self.shaped or self._codes - _ILL_FORMED:
            return
        if self._first is None:
            raise VocoError(f"{self._path}: holds no records; give a file of kind {self._kind}")
        if not self._fields:
            raise VocoError(f"{self._path}: no record of it can be read ({self._first}); give another file")
        found = shown(", ".join(sorted(self._fields)), 200)
        likely = [other for other in KINDS if other != self._kind and FIELDS[other] <= self._fields]
        way = f"it looks like {likely[0]}: read it as that" if likely else "give a file of that kind"
        needed = ", ".join(sorted(FIELDS[self._kind]))
        raise VocoError(
            f"{self._path}: no record is of kind {self._kind}, which has {needed}; the fields are {found}; {way}"
        )
