"""What downloads share: a place for each state of a file, patience that ends, and checksums."""

import base64
import hashlib
import random
import time
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TypeVar

from components.sources import Stamp
from voco_model.errors import VocoError

Result = TypeVar("Result")

ATTEMPTS = 6
FIRST_WAIT, LONGEST_WAIT = 0.2, 20.0
"""Seconds; the n-th wait is drawn evenly from 0 to FIRST_WAIT * 2^n, at most LONGEST_WAIT."""
CHUNK = 1024 * 1024


class Transient(Exception):
    """A failure that may be gone the next time."""


def persistently(what: str, attempt: Callable[[], Result]) -> Result:
    """The attempt's result; after a transient failure it is repeated, after growing random waits, not for ever."""
    for n in range(ATTEMPTS):
        try:
            return attempt()
        except Transient as error:
            last = error
        if n + 1 < ATTEMPTS:
            time.sleep(random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**n)))
    raise VocoError(f"{what}: failed {ATTEMPTS} times, last: {last}; check the store, then run again to continue")


def place(cache: Path, path: str, stamp: Stamp) -> Path:
    """Where one state of a file lies in the cache; it keeps its name's ending, which readers go by."""
    name = hashlib.sha256("\0".join([path, stamp.tag, stamp.version or ""]).encode()).hexdigest()[:40]
    return cache / name[0] / f"{name}-{PurePosixPath(path).name[-60:]}"


class Checks:
    """Checksums that a store states for a file, held against what arrived."""

    def __init__(self, stated: dict[str, str]) -> None:
        """stated: hexadecimal digests by name, of md5, sha256 and crc32."""
        self._stated = stated
        self._crc = 0
        self._hashes = {name: hashlib.new(name) for name in stated if name != "crc32"}

    def update(self, data: bytes) -> None:
        for made in self._hashes.values():
            made.update(data)
        if "crc32" in self._stated:
            self._crc = zlib.crc32(data, self._crc)

    def finish(self) -> None:
        """Raises Transient where a checksum differs: most often the transfer was at fault."""
        made = {name: h.hexdigest() for name, h in self._hashes.items()} | {"crc32": f"{self._crc:08x}"}
        wrong = [name for name, digest in self._stated.items() if made[name] != digest]
        if wrong:
            raise Transient(f"the bytes that arrived have another {wrong[0]} than the store states")


def check_file(path: Path, stated: dict[str, str]) -> None:
    """Hold a file to its stated checksums."""
    checks = Checks(stated)
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            checks.update(data)
    checks.finish()


def from_base64(text: str) -> str:
    """The hexadecimal digits of a digest that a header has in base64."""
    return base64.b64decode(text).hex()
