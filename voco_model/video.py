"""Video: frames sampled by time, upright, in time order, with only a few of them in memory at once.

Lengths in headers are not relied on: one pass over the packets, without decoding, finds when the last frame
ends. Frames are decoded from the start, so what is shown at a time never depends on where key frames are.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition
from PIL import Image

from voco_model.errors import VocoError

MAX_PIXELS = 8192 * 8192
"""Larger pictures are refused before memory is taken for them; this is twice 8K."""
DECODING = {"max_pixels": str(MAX_PIXELS)}
CUT_SHORT = 0.5
"""Seconds by which a file may end before the length in its header: sound and pictures rarely end together."""
STATES_LENGTH = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Formats whose header states the length; for others FFmpeg may guess it from the bit rate."""
REPAIR = "get the file again, or keep what can be read of it: ffmpeg -i IN OUT.mp4"


@dataclass(frozen=True)
class Frame:
    """What is shown at one time."""

    time: float
    """Seconds after the first frame: the time asked for, not the moment the picture first appeared."""
    image: Image.Image
    """RGB, upright."""


@dataclass(frozen=True)
class VideoInfo:
    """A video in short, as measured; `width` and `height` are those of the upright picture."""

    duration: float
    frames: int
    width: int
    height: int
    rotation: int
    """Degrees clockwise by which the stored pictures are turned to be upright: 0, 90, 180 or 270."""


def sample_frames(
    path: Path | str,
    *,
    fps: float | None = None,
    count: int | None = None,
    limit: int = 4096,
    between: tuple[float, float] | None = None,
) -> Iterator[Frame]:
    """The frames shown at chosen times; a frame is shown from its own time until that of the next.

    fps: sample at 0, 1/fps, 2/fps, ... seconds after the first frame, below the duration.
    count: sample at the middle of each of `count` equal parts; a short video repeats frames.
    limit: more frames than this are an error, so that a mistaken fps does not run for days.
    between: only this part, in seconds after the first frame; as much of it as the video has.

    The call checks the arguments and measures the file; frames are decoded one by one as they are taken.
    """
    if (fps is None) == (count is None):
        raise VocoError("frames are sampled by fps or by count; give exactly one of the two")
    if fps is not None and not 0 < fps < math.inf:
        raise VocoError(f"fps is {fps}; give a number above 0, such as 0.5 for a frame every two seconds")
    if count is not None and not 1 <= count <= limit:
        raise VocoError(f"count is {count}; give 1 to {limit} frames, or raise limit")
    path = Path(path)
    first, last, _ = _measure(path)
    origin, end = first, last
    if between is not None:
        origin, end = first + Fraction(str(between[0])), min(last, first + Fraction(str(between[1])))
        if not first <= origin < end:
            part = f"no frame between {between[0]} and {between[1]} s"
            raise VocoError(f"{path}: {part}, it shows {float(last - first):.2f} s; give another part")
    before = origin - first
    if count is not None:
        step = (end - origin) / count
        return _shown_at(path, first, (before + (i + Fraction(1, 2)) * step for i in range(count)))
    # Read as written: 0.1 is a tenth, not the binary number just above it, which samples just too early.
    rate = Fraction(str(fps))
    n = math.ceil((end - origin) * rate)
    if n > limit:
        raise VocoError(f"{path}: fps={fps} takes {n} frames, the limit is {limit}; lower fps or use count")
    return _shown_at(path, first, (before + i / rate for i in range(n)))


def probe(path: Path | str) -> VideoInfo:
    """Length, size and rotation, measured from the first frame and all packets, not taken from the header."""
    path = Path(path)
    origin, end, frames = _measure(path)
    _, first = next(_decoded(path))
    width, height = _upright(first).size
    return VideoInfo(float(end - origin), frames, width, height, -_rotation(first) % 360)


def check_frames(path: Path | str, at: float = 0.0) -> Image.Image:
    """Decode every frame, one at a time; VocoError where one is damaged, which `probe` does not look for.

    Gives the picture that is shown `at` seconds after the first frame; past the end, the last one.
    """
    path = Path(path)
    frames = _decoded(path)
    first = next(frames, None)
    if first is None:
        raise VocoError(f"{path}: a video without frames; {REPAIR}")
    origin, shown = first
    for start, frame in frames:
        if start - origin <= at:
            shown = frame
    return _upright(shown)


def _shown_at(path: Path, origin: Fraction, times: Iterator[Fraction]) -> Iterator[Frame]:
    """One frame for each of the rising `times` after `origin`."""
    time = next(times, None)
    frames: Iterator[tuple[Any, Any]] = chain(_decoded(path), [(math.inf, None)])
    for (_, frame), (until, _) in pairwise(frames):
        image = None
        while time is not None and origin + time < until:
            image = image or _upright(frame)
            yield Frame(float(time), image)
            time = next(times, None)
        if time is None:
            return


def _decoded(path: Path) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """All frames in the order they are shown, with the file's own times in seconds."""
    until = Fraction(0)
    with _opened(path) as (container, stream):
        try:
            for frame in container.decode(stream):
                start, until = _span(frame, stream, until)
                if frame.is_corrupt:
                    raise VocoError(f"{path}: the frame at {float(start):.2f} s is damaged; {REPAIR}")
                yield start, frame
        except av.FFmpegError as error:
            broken = f"{path}: decoding fails at {float(until):.2f} s"
            raise VocoError(f"{broken} ({error.strerror}); {REPAIR}") from None


def _measure(path: Path) -> tuple[Fraction, Fraction, int]:
    """When the first frame starts, the last ends, and how many there are; a file cut short is refused."""
    origin = next((start for start, _ in _decoded(path)), None)
    if origin is None:
        raise VocoError(f"{path}: a video without frames; {REPAIR}")
    frames, until, end, file_end = 0, origin, origin, origin
    with _opened(path) as (container, stream):
        for packet in container.demux():
            if not packet.size or packet.is_discard:
                continue
            start, packet_end = _span(packet, stream, until)
            file_end = max(file_end, packet_end)
            if packet.stream is stream:
                frames, until, end = frames + 1, packet_end, max(end, packet_end)
                if packet.is_corrupt:
                    raise VocoError(f"{path}: the data at {float(start):.2f} s is damaged; {REPAIR}")
        stated = (container.duration or 0) / av.time_base if container.format.name in STATES_LENGTH else 0
    if file_end + CUT_SHORT < stated:
        raise VocoError(f"{path}: ends at {float(end):.2f} s, by its header at {stated:.2f} s; {REPAIR}")
    return origin, end, frames


def _span(
    shown: av.Packet | av.VideoFrame, stream: av.VideoStream, previous_end: Fraction
) -> tuple[Fraction, Fraction]:
    """From when until when it is shown; what a format leaves out follows from the frame rate."""
    unit = shown.time_base or Fraction(1)
    start = previous_end if shown.pts is None else shown.pts * unit
    length = shown.duration * unit if shown.duration else 1 / (stream.guessed_rate or Fraction(25))
    return start, start + length


def _rotation(frame: av.VideoFrame) -> int:
    """Degrees anticlockwise, in quarter turns, by which the file asks to turn a picture."""
    # Mirroring is not honoured: it can only be read from `frame.side_data`, and touching that corrupts memory
    # where an item has metadata, as the colour profile of a PNG frame has (PyAV 18.1).
    return round(frame.rotation / 90) * 90


def _upright(frame: av.VideoFrame) -> Image.Image:
    image: Image.Image = frame.to_image()
    return image.rotate(_rotation(frame), expand=True)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, av.VideoStream]]:
    """The file, and its first stream that is not a cover picture, ready to decode."""
    if not path.is_file():
        raise VocoError(f"{path}: no such video file; check the path")
    try:
        with av.open(str(path.resolve()), options=DECODING, metadata_errors="replace") as container:
            videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
            if not videos or videos[0].codec_context is None:
                raise VocoError(f"{path}: has no video that can be decoded; give another file, or convert it")
            codec = videos[0].codec_context
            if not 0 < codec.width * codec.height <= MAX_PIXELS:
                size = f"unreadable or above {MAX_PIXELS} pixels ({codec.width}x{codec.height})"
                raise VocoError(f"{path}: its picture size is {size}; shrink: ffmpeg -i IN -s WxH OUT.mp4")
            # Frame threads keep PyAV silent about damage in the last frames, and hold a frame for each core.
            videos[0].thread_type = "SLICE"
            codec.options = DECODING
            yield container, videos[0]
    except av.FFmpegError as error:
        raise VocoError(f"{path}: cannot be read as a video ({error.strerror}); {REPAIR}") from None
