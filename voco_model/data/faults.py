"""What can be wrong with a record, by name, and the limits of what a hostile file may cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CODES = {
    "bad_json": "not JSON",
    "bad_csv": "not CSV: its quotes do not match",
    "too_long": "longer than a record may be",
    "too_deep": "nested deeper than a record may be",
    "bad_utf8": "not UTF-8, or half of a surrogate pair",
    "nul": "a NUL character",
    "wrong_shape": "a field is missing or of another type",
    "path_escape": "the media path leaves the data root",
    "formula": "a spreadsheet would execute the cell",
    "truncated": "the file breaks off or is damaged here",
    "archive_bomb": "the file unpacks to far more than it holds",
}
"""The codes that reading gives to records that are set aside."""


class Fault(Exception):
    """Why a record is set aside; raised where it is found, handed on as a value."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Limits:
    """What a file may ask of the reader."""

    record_bytes: int = 16 << 20
    """A longer record is skipped to its end without being held."""
    depth: int = 64
    """Brackets within brackets."""
    ratio: int = 200
    """Unpacked bytes to packed ones; past it and past `unpacked` a compressed file is given up."""
    unpacked: int = 1 << 30
    """Bytes that any compressed file may unpack to, whatever its ratio."""
    chunk: int = 256 << 10
    """Bytes read at a time."""


LIMITS = Limits()


def shown(value: object, most: int = 80) -> str:
    """A value from a file for a message: on one line, without control characters, short."""
    text = ascii(value[:most] if isinstance(value, str | bytes) else value)
    return text if len(text) <= most else f"{text[:most]}..."


def check_text(value: Any) -> None:
    """Refuse what no text may hold: NUL, and halves of surrogate pairs, which no UTF-8 file can hold either."""
    for text in _strings(value):
        if "\0" in text:
            raise Fault("nul", f"a NUL character stands in {shown(text)}")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Fault("bad_utf8", f"half of a surrogate pair stands in {shown(text)}") from None


def _strings(value: Any) -> Iterator[str]:
    """Every string of a value from JSON or a table, keys too; its depth has been checked."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
