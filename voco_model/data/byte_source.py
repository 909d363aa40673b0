"""The bytes of a file, plain or gzip by content, through a window that holds only what is being looked at."""

import re
from pathlib import Path
from typing import BinaryIO

from voco_model.data.faults import Fault, Limits
from voco_model.data.gunzip import GZIP, Gunzip
from voco_model.errors import VocoError

PARQUET = b"PAR1"
BOM = b"\xef\xbb\xbf"
FOREIGN = {
    b"PK\x03\x04": ("a zip archive", "unpack it"),
    b"BZh": ("bzip2", "unpack it"),
    b"\xfd7zXZ\x00": ("xz", "unpack it"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unpack it"),
    b"\xff\xfe": ("UTF-16", "convert it to UTF-8"),
    b"\xfe\xff": ("UTF-16", "convert it to UTF-8"),
    GZIP: ("gzip inside gzip", "unpack it once"),
}
"""First bytes of what is not read here, what it is, and what to do with it."""

_SPACE = re.compile(rb"[ \t\r\n]*+")


class ByteSource:
    """Reads a file forwards, unpacking gzip within the limits; damage is a Fault."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self.limits = limits
        self._packed = file
        self.unpacks = file.read(len(GZIP)) == GZIP
        file.seek(0)
        self._file = Gunzip(file) if self.unpacks else file
        self._read = 0

    def read(self, n: int) -> bytes:
        """At most n bytes; none at the end."""
        try:
            data = self._file.read(n)
        except OSError as error:
            raise Fault("truncated", f"the file cannot be read further ({error.strerror})") from None
        self._read += len(data)
        if self.unpacks and self._read > max(self.limits.unpacked, self.limits.ratio * self._packed.tell()):
            many = f"more than {self.limits.ratio} times its size and {self.limits.unpacked:,} bytes"
            raise Fault("archive_bomb", f"the gzip file unpacks to {many}; the rest is not read")
        return data


class Window:
    """The part of a source that is being looked at; what has been dealt with is dropped when more is read."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._chunk = source.limits.chunk
        self.data = b""
        self.broken: Fault | None = None
        """Why the source ended before its end, once it did."""
        self._ended = False

    def more(self, keep: int) -> bool:
        """Drop what lies before `keep`, read on; False at the end. Reads grow with what is held: linear in all."""
        held = self.data[keep:]
        fresh = b"" if self._ended else self._next(max(self._chunk, len(held)))
        self.data = held + fresh
        self._ended = not fresh
        return not self._ended

    def _next(self, n: int) -> bytes:
        try:
            return self._source.read(n)
        except Fault as fault:
            self.broken = fault.with_traceback(None)
            return b""

    def ahead(self, at: int, n: int) -> int:
        """Have n bytes from `at` on, or all that there are; where that place is now."""
        while len(self.data) - at < n:
            grown = self.more(at)
            at = 0
            if not grown:
                break
        return at

    def skip_space(self, at: int = 0) -> tuple[int, int]:
        """Where what is not space begins (or the end), and how many lines ended before it."""
        lines = 0
        while True:
            found = _SPACE.match(self.data, at)
            assert found is not None
            lines += self.data.count(b"\n", at, found.end())
            at = found.end()
            if at < len(self.data):
                return at, lines
            if not self.more(at):
                return 0, lines
            at = 0


def start(window: Window, path: Path) -> int:
    """Read the first bytes; refuse what is not read here by what it is, and pass over a byte order mark."""
    while len(window.data) < 8 and window.more(0):
        pass
    for magic, (name, cure) in FOREIGN.items():
        if window.data.startswith(magic):
            raise VocoError(f"{path}: is {name}, which is not read; {cure} first")
    return len(BOM) if window.data.startswith(BOM) else 0
