"""Pictures: opened safely, made square in one of three ways, and turned into pixel values."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.nn import functional

from voco_model.errors import VocoError

ASPECTS = ("pad", "square", "tiles")
"""Pad to a square, crop the middle square (CLIP's own way), or tile a high-resolution picture."""

TILE_GRIDS = ((1, 2), (2, 1), (2, 2), (1, 3), (3, 1))
"""(columns, rows) that a picture may be cut into."""

Source = Image.Image | Path | str | bytes
ORIENTATION, UPRIGHT = 0x0112, 1
"""The EXIF tag that says how a picture is to be turned, and the value that says not at all."""


def open_picture(source: Source, where: str = "image") -> Image.Image:
    """An upright RGB picture; anything that cannot be decoded whole is refused by name."""
    name = str(source) if isinstance(source, Path | str) else where
    try:
        picture = source if isinstance(source, Image.Image) else Image.open(_stream(source))
        picture.load()
        if picture.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT:
            picture = ImageOps.exif_transpose(picture)
        return _as_rgb(picture)
    except FileNotFoundError:
        raise VocoError(f"{name}: no such image file") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VocoError(f"{name}: cannot be decoded as an image ({reason}); remove or replace it") from None


def _as_rgb(picture: Image.Image) -> Image.Image:
    """Eight bits of red, green and blue: what is transparent shows white, sixteen bits of grey are scaled."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise ValueError(f"mode {picture.mode} has no range that could be shown")
    if "A" in picture.mode or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def _stream(source: Path | str | bytes) -> Path | str | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def squares(picture: Image.Image, aspect: str, size: int, background: tuple[int, int, int]) -> list[Image.Image]:
    """The square pictures that the tower sees: one, or an overview and its tiles."""
    if aspect != "tiles" and picture.size == (size, size):
        return [picture]
    if aspect == "square":
        return [ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)]
    overview = _padded(picture, size, size, background)
    if aspect == "pad":
        return [overview]
    columns, rows = best_grid(picture.size, size)
    canvas = _padded(picture, columns * size, rows * size, background)
    corners = [(x * size, y * size) for y in range(rows) for x in range(columns)]
    return [overview, *(canvas.crop((x, y, x + size, y + size)) for x, y in corners)]


def _padded(picture: Image.Image, width: int, height: int, background: tuple[int, int, int]) -> Image.Image:
    across, down = picture.size
    if across / down > width / height:
        inner = width, max(1, round(down / across * width))
    else:
        inner = max(1, round(across / down * height)), height
    shown = scaled(picture, *inner)
    if inner == (width, height):
        return shown
    canvas = Image.new("RGB", (width, height), background)
    canvas.paste(shown, (round((width - inner[0]) / 2), round((height - inner[1]) / 2)))
    return canvas


def scaled(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Bicubic, as Pillow does it but for a last unit here and there; torch takes a quarter of the time."""
    if picture.size == (width, height):
        return picture
    if min(width, height) == 1:  # torch gets one column wrong where it has no vector instructions
        return picture.resize((width, height), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
    small = functional.interpolate(pixels, (height, width), mode="bicubic", antialias=True)
    return Image.merge("RGB", [Image.fromarray(channel) for channel in small[0].numpy()])


def best_grid(picture_size: tuple[int, int], size: int) -> tuple[int, int]:
    """The grid that keeps most of the picture's own pixels, and of those the one that wastes least."""

    def worth(grid: tuple[int, int]) -> tuple[int, int]:
        columns, rows = grid
        scale = min(columns * size / picture_size[0], rows * size / picture_size[1])
        shown = int(picture_size[0] * scale) * int(picture_size[1] * scale)
        kept = min(shown, picture_size[0] * picture_size[1])
        return kept, -(columns * rows * size * size - kept)

    return max(TILE_GRIDS, key=worth)
