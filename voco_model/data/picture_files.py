"""Picture files from outside: what format they are, how large the picture is, and where the file ought to end.

Read without decoding, so that a picture of 10^9 pixels is refused before memory is taken for it, and so that
whatever is glued behind a picture is seen: decoders stop at the picture's end and never mention the rest.
"""

import re
import struct
from typing import NamedTuple

MAX_STEPS = 200_000
"""Chunks, segments or blocks in one file; honest pictures have hundreds."""

ENTROPY_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PADDING = b"\x00\xff \t\r\n"

FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF-", "a PDF"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"\x1f\x8b", "a gzip file"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"<", "a web page or SVG"),
    (b"{", "JSON"),
)
"""How files begin that are often found under a picture's name."""


class Outline(NamedTuple):
    """A picture file without its pixels."""

    format: str
    width: int
    height: int
    """As stored; an orientation in `exif` may turn the picture."""
    end: int | None
    """The first byte behind the picture; None where the file stops short of it."""
    exif: bytes = b""


def outline(data: bytes) -> Outline | None:
    """The file in outline; None where it is no JPEG, PNG, GIF, WebP or BMP, or too broken to say."""
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            width, height = struct.unpack(">II", data[16:24])
            return Outline("PNG", width, height, _png_end(data))
        if data.startswith((b"GIF87a", b"GIF89a")):
            width, height = struct.unpack("<HH", data[6:10])
            return Outline("GIF", width, height, _gif_end(data))
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
        if data.startswith(b"BM"):
            return _bmp(data)
    except (struct.error, IndexError):  # the header breaks off: no outline can be told
        return None
    return None


def foreign(data: bytes) -> str | None:
    """What else a file is that is no picture, where its beginning tells."""
    return next((name for magic, name in FOREIGN if data.lstrip().startswith(magic)), None)


def hidden(data: bytes, shape: Outline) -> str | None:
    """What is in the file besides the picture, or None; padding and a phone's second JPEG are let pass."""
    end = shape.end if shape.end is not None else len(data)
    while shape.format == "JPEG" and data.startswith(b"\xff\xd8\xff", end) and b"MPF\x00" in data[:65536]:
        further = _jpeg(data[end:])
        if further is None or further.end is None:
            break
        end += further.end
    rest = data[end:].strip(PADDING)
    if rest:
        return f"{len(data) - end} bytes behind the picture's end ({foreign(rest) or 'unknown data'})"
    directory = data.rfind(b"PK\x05\x06", max(0, len(data) - 65557))
    if directory >= 0 and len(data) - directory - 22 == int.from_bytes(
        data[directory + 20 : directory + 22], "little"
    ):
        return "a ZIP archive inside the picture"
    return "a PDF inside the picture" if b"%PDF-" in data[:1024] else None


def _jpeg(data: bytes) -> Outline | None:
    width = height = 0
    exif, at = b"", 2
    for _ in range(MAX_STEPS):
        if data[at : at + 1] == b"\xff" and 0xC0 <= data[at + 1] < 0xFF and data[at + 1] & 0xF8 != 0xD0:
            marker, at = data[at + 1], at + 2  # segment upon segment, as at the beginning of every file
        else:
            found = ENTROPY_END.search(data, at)
            if found is None:
                break
            marker, at = data[found.end() - 1], found.end()
        if marker == 0xD9:
            return Outline("JPEG", width, height, at, exif) if width else None
        if marker == 0x01:
            continue
        length = data[at] << 8 | data[at + 1] if at + 2 <= len(data) else 2
        if marker in SIZE_MARKERS and not width and at + 7 <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 3)
        if marker == 0xE1 and data.startswith(b"Exif\x00\x00", at + 2) and not exif:
            exif = data[at + 2 : at + length]
        at += length
    return Outline("JPEG", width, height, None, exif) if width else None


def _png_end(data: bytes) -> int | None:
    at = 8
    for _ in range(MAX_STEPS):
        if at + 12 > len(data):
            return None
        length, name = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if name == b"IEND":
            return at if at <= len(data) else None
    return None


def _gif_end(data: bytes) -> int | None:
    at = 13 + _colours(data[10])
    for _ in range(MAX_STEPS):
        if at >= len(data):
            return None
        block = data[at]
        if block == 0x3B:
            return at + 1
        if block == 0x2C:
            at += 11 + _colours(data[at + 9])
        elif block == 0x21:
            at += 2
        else:
            return None
        for _ in range(MAX_STEPS):
            length = data[at]
            at += 1 + length
            if not length:
                break
    return None


def _colours(flags: int) -> int:
    """Bytes of a GIF's colour table."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes) -> Outline | None:
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    whole = end if end <= len(data) else None
    chunk = data[12:16]
    if chunk == b"VP8X":
        width, height = (int.from_bytes(data[i : i + 3], "little") + 1 for i in (24, 27))
    elif chunk == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif chunk == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        return None
    return Outline("WEBP", width, height, whole)


def _bmp(data: bytes) -> Outline | None:
    end = struct.unpack_from("<I", data, 2)[0]
    width, height = struct.unpack_from("<ii", data, 18)
    return Outline("BMP", width, abs(height), end if 54 <= end <= len(data) else None)
