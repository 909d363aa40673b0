"""Pictures and clips from outside: what they are, or why they are set aside; in bounded time and memory."""

import hashlib
import io
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageOps

from voco_model.data.picture_files import Outline, foreign, hidden, outline

MAX_PIXELS = 64 * 1024 * 1024
"""Larger pictures are bombs: they are refused by their header, before they are decoded."""
MAX_IMAGE_BYTES = 128 * 1024 * 1024
MAX_VIDEO_BYTES = 8 * 1024**3
MAX_CLIP_PIXELS = 2**37
"""Of all frames of a clip: more than an hour at 1280x720, and some ten minutes of decoding."""
MAX_SECONDS = 24 * 3600.0
"""Longer clips are taken for absurd headers."""

MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
"""Pixel formats that become 8-bit RGB without loss worth mentioning; 16-bit grey, say, would turn white."""

VIDEO_MAGIC = (
    (4, (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")),
    (0, (b"\x1aE\xdf\xa3", b"RIFF", b"FLV\x01", b"\x00\x00\x01\xba", b"OggS")),
)
"""How clips begin. Playlists (HLS, concat) are left out: FFmpeg would follow them to other files and hosts."""


@dataclass(frozen=True)
class MediaFacts:
    """What a manifest says of a picture or clip; sizes are those of the upright picture."""

    digest: str
    """SHA-256 of the file's bytes."""
    bytes: int
    width: int | None
    height: int | None
    duration: float | None = None
    """Seconds; None unless a clip that was looked into."""
    frames: int | None = None
    perceptual_hash: str | None = None
    """16 hex digits of a 64-bit difference hash, of a clip's middle frame; None where nothing was decoded."""


@dataclass(frozen=True)
class MediaFault:
    """Why a picture or clip is set aside."""

    code: str
    reason: str


def inspect_media(
    source: Path | str | bytes, kind: Literal["image", "video"], *, decode: bool = True
) -> MediaFacts | MediaFault:
    """The facts of one file, or its fault; never an exception for what the file contains.

    decode: decode pictures and clips whole. Without it, pictures give what their header and outline
    say (no perceptual hash; damaged pixels go unseen), and clips only their bytes and digest.
    """
    if kind == "image":
        data = source if isinstance(source, bytes) else _read(source, MAX_IMAGE_BYTES)
        return data if isinstance(data, MediaFault) else _image(data, decode)
    if isinstance(source, bytes):
        with tempfile.NamedTemporaryFile(suffix=".video") as file:
            file.write(source)
            file.flush()
            return inspect_media(file.name, "video", decode=decode)
    handle = _opened(source, MAX_VIDEO_BYTES)
    return handle if isinstance(handle, MediaFault) else _video(handle, Path(source), decode)


def difference_hash(image: Image.Image) -> str:
    """64 bits, as 16 hex digits: where brightness rises from left to right. Scaling hardly changes them."""
    plain = image if image.mode in ("L", "RGB") else image.convert("RGB")
    # 256 samples for each of the 72 cells: near enough to the mean of all pixels, in a quarter of the time.
    sampled = plain.resize((144, 128), Image.Resampling.NEAREST).convert("L")
    small = sampled.resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = "".join("01"[small[9 * y + x] < small[9 * y + x + 1]] for y in range(8) for x in range(8))
    return f"{int(bits, 2):016x}"


def _opened(path: Path | str, limit: int) -> int | MediaFault:
    """A handle of a regular file within the limit."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would be waited for for ever
    except (FileNotFoundError, NotADirectoryError):
        return MediaFault("missing_media", "the file is not there")
    except (OSError, ValueError) as error:
        return MediaFault("missing_media", f"the file cannot be opened ({type(error).__name__})")
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        fault = MediaFault("not_a_file", "it is a folder, pipe or device, not a file")
    elif facts.st_size > limit:
        fault = MediaFault("too_large", f"{facts.st_size} bytes, above the limit of {limit}")
    elif not facts.st_size:
        fault = MediaFault("empty_media", "the file has no bytes")
    else:
        return handle
    os.close(handle)
    return fault


def _read(path: Path | str, limit: int) -> bytes | MediaFault:
    handle = _opened(path, limit)
    if isinstance(handle, MediaFault):
        return handle
    with open(handle, "rb", buffering=0) as file:
        return file.read()


def _image(data: bytes, decode: bool) -> MediaFacts | MediaFault:
    if not data:
        return MediaFault("empty_media", "the file has no bytes")
    shape = outline(data)
    if shape is None:
        other = foreign(data)
        if other:
            return MediaFault("wrong_type", f"the file is {other}, not a picture")
        return MediaFault("undecodable_image", "it is no readable JPEG, PNG, GIF, WebP or BMP")
    width, height = shape.width, shape.height
    if width * height > MAX_PIXELS:
        return MediaFault("bomb", f"{width}x{height} pixels, above the limit of {MAX_PIXELS}")
    if min(width, height) < 1:
        return MediaFault("undecodable_image", f"its header says {width}x{height} pixels")
    if shape.end is None:
        return MediaFault("truncated", f"the {shape.format} stops before its end")
    inside = hidden(data, shape)
    if inside:
        return MediaFault("polyglot", inside)
    digest = hashlib.sha256(data).hexdigest()
    if not decode:
        width, height = (height, width) if _on_its_side(shape) else (width, height)
        return MediaFacts(digest, len(data), width, height)
    return _decoded(data, shape, digest)


def _decoded(data: bytes, shape: Outline, digest: str) -> MediaFacts | MediaFault:
    try:
        with Image.open(io.BytesIO(data), formats=[shape.format]) as image:
            if getattr(image, "is_animated", False) and image.format != "MPO":
                return MediaFault("animated", "several frames; give one picture, or the clip as a video")
            if image.mode not in MODES:
                return MediaFault("odd_mode", f"pixel format {image.mode}; convert it to 8-bit RGB")
            image.load()
            upright = ImageOps.exif_transpose(image) if shape.exif else image
            return MediaFacts(digest, len(data), *upright.size, perceptual_hash=difference_hash(upright))
    except Image.DecompressionBombError:
        return MediaFault("bomb", "more pixels than its header says")
    except Exception as error:  # whatever it is: dozens of parsers, and none may stop the rest
        said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        return MediaFault("undecodable_image", f"the {shape.format} cannot be decoded ({said})")


def _on_its_side(shape: Outline) -> bool:
    """Whether the orientation swaps width and height."""
    if not shape.exif:
        return False
    exif = Image.Exif()
    try:
        exif.load(shape.exif)
        return exif.get(0x0112) in (5, 6, 7, 8)
    except Exception:  # as exif_transpose would: an orientation that cannot be read is none
        return False


def _video(handle: int, path: Path, decode: bool) -> MediaFacts | MediaFault:
    with open(handle, "rb") as file:
        head = file.read(16)
        if not any(head.startswith(magics, at) for at, magics in VIDEO_MAGIC):
            other = foreign(head)
            return MediaFault(
                "wrong_type", f"the file is {other or 'no MP4, MOV, MKV, WebM, AVI, FLV, MPEG or Ogg'}"
            )
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    if not decode:
        return MediaFacts(digest, size, None, None)
    from voco_model.video import check_frames, probe

    try:
        seen = probe(path)
        if not (0 < seen.duration <= MAX_SECONDS and 0 < seen.frames < 2**31):
            return MediaFault("absurd_header", f"{seen.duration:.6g} seconds and {seen.frames} frames")
        if seen.width * seen.height * seen.frames > MAX_CLIP_PIXELS:
            return MediaFault("bomb", f"{seen.frames} frames of {seen.width}x{seen.height} pixels")
        # The middle by time: a copy at another frame rate shows the same there, and titles stand at the ends.
        middle = difference_hash(check_frames(path, seen.duration / 2))
    except Exception as error:  # FFmpeg's, PyAV's and Python's own, for arithmetic on absurd headers
        said = str(error).removeprefix(f"{path}: ").split("; ")[0].replace("\n", " ")[:160]
        return MediaFault("undecodable_video", said or type(error).__name__)
    return MediaFacts(digest, size, seen.width, seen.height, seen.duration, seen.frames, middle)
