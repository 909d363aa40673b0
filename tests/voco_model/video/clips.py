"""Small videos whose pictures show their index as black and white bars, and a plain oracle of their frames."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from voco_model.video import Frame

WIDTH, HEIGHT = 64, 48


FAST = {"libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}


def picture(index: int) -> np.ndarray:
    """Eight bars over the upper two thirds; the lower third is grey, to tell up from down."""
    bits = [255 * (index >> k & 1) for k in range(8)]
    rows = np.repeat(np.array(bits, np.uint8), WIDTH // 8)
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    pixels[: HEIGHT * 2 // 3] = rows[None, :, None]
    return pixels


def index_of(frame: Frame) -> int:
    assert frame.image.mode == "RGB"
    assert frame.image.size == (WIDTH, HEIGHT)
    pixels = np.asarray(frame.image).astype(int).mean(-1)
    assert np.abs(pixels[-8:] - 128).max() < 40, "the grey part is not below"
    return sum(int(pixels[8:24, 8 * k + 2 : 8 * k + 6].mean() > 127) << k for k in range(8))


def make(
    path: Path,
    ticks,
    rate: int = 10,
    codec: str = "mpeg4",
    draw=picture,
    rotation: int = 0,
    disposition: Disposition | None = None,
    title: str = "",
    **container_options: str,
) -> Path:
    """A video with one frame at each of `ticks`, counted in 1/rate seconds."""
    with av.open(str(path), "w", options=container_options) as container:
        container.metadata["title"] = title
        stream = container.add_stream(codec, rate=rate, options=FAST.get(codec, {}))
        stream.height, stream.width = draw(0).shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if disposition:
            stream.disposition = disposition
        if rotation:
            stream.set_display_rotation(rotation)
        for index, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(draw(index), "rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def noise(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def packets(path: Path) -> list[tuple[int, int]]:
    """Where in the file each packet is: (position, size)."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size]


def overwritten(path: Path, position: int, content: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[position : position + len(content)] = content
    path.write_bytes(data)
    return path


def oracle(starts: list[Fraction], times: list[Fraction]) -> list[int]:
    """At each time, the last frame that has started."""
    return [max(i for i, start in enumerate(starts) if start - starts[0] <= time) for time in times]


def times_of(duration: Fraction, fps: Fraction | None, count: int | None) -> list[Fraction]:
    if count is not None:
        return [duration * (2 * i + 1) / (2 * count) for i in range(count)]
    times, k = [], 0
    while k / fps < duration:
        times.append(k / fps)
        k += 1
    return times


CLIPS = {
    # name: (codec, ticks in tenths of a second, container options)
    "steady.mp4": ("mpeg4", range(40), {}),
    "reordered.mp4": ("libx264", range(40), {}),
    "fragments.mp4": ("libx264", range(40), {"movflags": "frag_keyframe+empty_moov"}),
    "steady.mkv": ("libx264", range(40), {}),
    "steady.avi": ("mpeg4", range(40), {}),
    "broadcast.ts": ("mpeg2video", range(40), {}),
    "irregular.mp4": ("mpeg4", (0, 1, 5, 6, 20, 21, 22, 50, 90), {}),
    "irregular.webm": ("libvpx-vp9", (0, 1, 5, 6, 20, 21, 22, 50, 90), {}),
    "late.mkv": ("mpeg4", range(30, 60), {}),
    "no_length.webm": ("libvpx-vp9", range(40), {"live": "1"}),
    "one.mp4": ("mpeg4", (0,), {}),
}


def timing(name: str) -> tuple[list[Fraction], Fraction]:
    """When the frames of a clip start, and when the last ends."""
    rate = 25 if name.endswith(".ts") else 10
    starts = [Fraction(tick, rate) for tick in CLIPS[name][1]]
    return starts, starts[-1] + Fraction(1, rate)


def with_sound(path: Path, source: Path, n_pictures: int) -> Path:
    """The first packets of another video, beside nine seconds of silence."""
    with av.open(str(path), "w") as container, av.open(str(source)) as pictures:
        stream = container.add_stream_from_template(pictures.streams.video[0])
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for second in range(9):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
            samples.rate, samples.pts, samples.time_base = 8000, second * 8000, Fraction(1, 8000)
            container.mux(sound.encode(samples))
        for packet in list(pictures.demux(video=0))[:n_pictures]:
            packet.stream = stream
            container.mux(packet)
    return path
