"""Scenes as pictures, clips as frames and mp4: the same facts give the same bytes."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.world.clips import scene_at
from data.world.facts import Box, Clip, Scene, Thing, generator
from data.world.font import label
from data.world.shapes import mask
from data.world.vocabulary import COLOURS, LEVELS
from voco_model.errors import VocoError

FEWEST_PIXELS = 8
"""Of a cell; below this, shapes cannot be told apart."""
LABEL_CELL = 16
"""Pixels of the narrowest cell into which a label fits."""
Pixels = NDArray[np.uint8]


def draw(scene: Scene, size: int | None = None) -> Image.Image:
    """The scene in `size` by `size` pixels, or in as many as its level needs."""
    return Image.fromarray(_paint(scene, background(scene, _size(scene, size))))


def draw_clip(clip: Clip, size: int | None = None) -> Iterator[Image.Image]:
    """The frames in time order; number i shows what is to be seen at i / fps seconds."""
    behind = background(clip.scene, _size(clip.scene, size))
    for i in range(round(clip.seconds * clip.fps)):
        yield Image.fromarray(_paint(scene_at(clip, i / clip.fps), behind.copy()))


def write_mp4(clip: Clip, path: Path, size: int | None = None) -> None:
    """The clip as an mp4 (MPEG-4 part 2), written by one thread without dates or versions."""
    import av

    pixels = _size(clip.scene, size)
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("mpeg4", rate=clip.fps)
        stream.width = stream.height = pixels
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, clip.fps)
        codec = stream.codec_context
        codec.thread_count = 1
        codec.flags |= int(av.codec.context.Flags.bitexact)
        codec.flags |= int(av.codec.context.Flags.qscale)
        codec.global_quality = 2 * 118  # quality 2 of 31, in the codec's own unit
        for i, image in enumerate(draw_clip(clip, pixels)):
            frame = av.VideoFrame.from_image(image)
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def rectangle(box: Box, size: int) -> tuple[int, int, int]:
    """Left, top and width in whole pixels of the largest square of pixels inside a box."""
    left, top = (int(np.ceil(edge * size - 1e-6)) for edge in box[:2])
    right, bottom = (int(np.floor(edge * size + 1e-6)) for edge in box[2:])
    return left, top, min(right - left, bottom - top)


def background(scene: Scene, size: int) -> Pixels:
    """A light, nearly grey texture, never as strong as a thing's colour."""
    rng = generator("texture", scene.seed)
    y, x = np.mgrid[0:size, 0:size] * (64 / size)
    slope, period, phase = rng.uniform(-1, 1), rng.uniform(6, 14), rng.uniform(0, 6.3)
    along = (x + slope * y) * (2 * np.pi / period) + phase
    across = (y - slope * x) * (2 * np.pi / period)
    if scene.background == "stripes":
        wave = np.sign(np.sin(along))
    elif scene.background == "checks":
        wave = np.sign(np.sin(along) * np.sin(across))
    elif scene.background == "dots":
        wave = np.where(np.sin(along) * np.sin(across) > 0.6, 1.0, -0.4)
    elif scene.background == "waves":
        wave = np.sin(along + 2 * np.sin(across / 2))
    else:
        wave = rng.uniform(-1, 1, size=(size, size))
    tone = rng.uniform(175, 225) + rng.uniform(-12, 12, size=3)
    grain = rng.integers(-4, 5, size=(size, size))
    return np.clip(tone + (wave * 14 + grain)[..., None], 0, 255).astype(np.uint8)


def _size(scene: Scene, size: int | None) -> int:
    pixels = LEVELS[scene.level].pixels if size is None else size
    if pixels < FEWEST_PIXELS * scene.grid:
        fewest = FEWEST_PIXELS * scene.grid
        raise VocoError(f"a scene of level {scene.level} does not fit {pixels} pixels; give {fewest} or more")
    return pixels


def _paint(scene: Scene, pixels: Pixels) -> Pixels:
    """Things in their order, then all labels; changes and returns `pixels`."""
    size = len(pixels)
    for thing in scene.things:
        left, top, width = rectangle(thing.box, size)
        pixels[top : top + width, left : left + width][mask(thing.shape, width)] = COLOURS[thing.colour]
    for thing in scene.things:
        if thing.word is not None:
            _write(pixels, thing, thing.word, size // scene.grid)
    return pixels


def _write(pixels: Pixels, thing: Thing, word: str, cell: int) -> None:
    """A sign at the foot of the cell, below the thing's middle."""
    size = len(pixels)
    sign = label(word, max(1, cell // LABEL_CELL))
    height, width = sign.shape
    middle_x, middle_y = (thing.box[0] + thing.box[2]) / 2 * size, (thing.box[1] + thing.box[3]) / 2 * size
    left = min(max(0, round(middle_x - width / 2)), max(0, size - width))
    top = min(max(0, round(middle_y + cell / 2) - height), size - height)
    part = pixels[top : top + height, left : left + width]
    part[:] = sign[:, : part.shape[1], None]
