"""Gzip unpacked piece by piece, so that everything before a damaged place is had, to the byte."""

import zlib
from typing import BinaryIO

from voco_model.data.faults import Fault

GZIP = b"\x1f\x8b"
_PACKED = 32 << 10
_GZIP_FORMAT = 31  # zlib's number for a gzip header and checksum around the largest window


class Gunzip:
    """Reads the members of a gzip file one after another; damage is a Fault, once all before it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._member = zlib.decompressobj(_GZIP_FORMAT)
        self._packed = b""
        self._step = _PACKED
        self._fault: Fault | None = None

    def read(self, n: int) -> bytes:
        """At most n bytes; none at the end."""
        unpacked = bytearray()
        while len(unpacked) < n and self._fault is None and self._fill():
            unpacked += self._unpack(n - len(unpacked))
        if self._fault and not unpacked:
            raise self._fault
        return bytes(unpacked)

    def _fill(self) -> bool:
        """Have packed bytes at hand, of the next member if this one has ended; False where nothing follows."""
        if not self._member.eof:
            self._packed = self._packed or self._file.read(_PACKED)
            if not self._packed:
                self._fault = Fault("truncated", "the gzip stream breaks off; get the file again")
            return bool(self._packed)
        fresh, self._packed = self._packed or self._file.read(_PACKED), b""
        while fresh and len(self._packed) < len(GZIP):
            # Some writers pad with zeros.
            self._packed = (self._packed + fresh).lstrip(b"\0")
            fresh = self._file.read(_PACKED) if len(self._packed) < len(GZIP) else b""
        if self._packed and not self._packed.startswith(GZIP):
            self._fault = Fault("truncated", "after its end the gzip stream goes on with something else")
        elif self._packed:
            self._member = zlib.decompressobj(_GZIP_FORMAT)
        return bool(self._packed) and self._fault is None

    def _unpack(self, n: int) -> bytes:
        """Some unpacked bytes. A call that fails gives none: it is made again byte by byte up to the damage."""
        before = self._member.copy()
        piece, self._packed = self._packed[: self._step], self._packed[self._step :]
        try:
            unpacked = self._member.decompress(piece, n)
        except zlib.error as error:
            if self._step == 1:
                self._fault = Fault("truncated", f"the gzip stream is damaged ({error}); get the file again")
            self._member, self._packed, self._step = before, piece + self._packed, 1
            return b""
        self._packed = (self._member.unused_data or self._member.unconsumed_tail) + self._packed
        return unpacked
