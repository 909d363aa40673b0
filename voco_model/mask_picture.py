"""A picture of the rule: who sees whom, as text for a terminal or as an image."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from voco_model.errors import VocoError
from voco_model.files import whole_file
from voco_model.rule import boolean_mask, tokens
from voco_model.segments import NO_IMAGE, Kind, Segments

COLOURS = {
    Kind.PAD: (225, 225, 225),
    Kind.PREFIX: (122, 122, 122),
    Kind.VISION: (66, 133, 190),
    Kind.VOCO: (222, 119, 32),
    Kind.TEXT: (64, 145, 88),
}
LETTERS = {Kind.PAD: ".", Kind.PREFIX: "P", Kind.VISION: "v", Kind.VOCO: "V", Kind.TEXT: "t"}
LEGEND = "P prefix   v vision   V VoCo   t text   digits: the image   filled: the row sees the column"


def example_row(spec: str) -> Segments:
    """A row from a specification such as `p1 v6 c2 t3 v6 c2 t4`: kinds and counts, c for VoCo.

    Every `v`, or a `c` without vision before it, begins a new image.
    """
    letters = {"p": Kind.PREFIX, "v": Kind.VISION, "c": Kind.VOCO, "t": Kind.TEXT}
    kinds: list[int] = []
    images: list[int] = []
    image = NO_IMAGE
    before = ""
    for part in spec.split():
        letter, count = part[0], part[1:] or "1"
        if letter not in letters or not count.isdigit() or int(count) > 512:
            raise VocoError(
                f"'{part}' is not a segment; write p, v, c or t and a count up to 512, as in: p1 v6 c2 t5"
            )
        image += letter == "v" or (letter == "c" and before != "v")
        kinds += [letters[letter]] * int(count)
        images += [image if letter in "vc" else NO_IMAGE] * int(count)
        before = letter
    if not 0 < len(kinds) <= 1024:
        raise VocoError(f"the row has {len(kinds)} positions; give 1 to 1024")
    return Segments(torch.tensor([kinds]), torch.tensor([images]))


def mask_of(segments: Segments, prefix_visible: bool = True, reading: str = "rule") -> np.ndarray:
    """(queries, keys) of one row, true where the query sees the key."""
    at = tokens(segments)
    return boolean_mask(at, at, prefix_visible, reading)[0, 0].numpy()


def as_text(segments: Segments, mask: np.ndarray) -> str:
    """One line for each query, one column for each key."""
    kinds = [Kind(k) for k in segments.kinds[0].tolist()]
    images = ["" if n == NO_IMAGE else str(n % 10) for n in segments.images[0].tolist()]
    lines = ["   " + "".join(n or " " for n in images), "   " + "".join(LETTERS[k] for k in kinds)]
    for kind, image, row in zip(kinds, images, mask, strict=True):
        lines.append(f"{LETTERS[kind]}{image or ' '} " + "".join("█" if seen else "·" for seen in row))
    return "\n".join([*lines, "", LEGEND])


def as_image(segments: Segments, mask: np.ndarray, path: Path | str) -> Path:
    """The mask drawn in the colours of the keys' kinds, with a bar of kinds along both sides."""
    kinds = [Kind(k) for k in segments.kinds[0].tolist()]
    n = len(kinds)
    cell = max(3, min(18, 900 // n))
    bar, margin, foot = max(cell, 10), 12, 30
    side = n * cell
    origin = margin + bar + 4
    picture = Image.new("RGB", (max(origin + side + margin, 400), origin + side + foot), "white")
    draw = ImageDraw.Draw(picture)
    for k, kind in enumerate(kinds):
        start = origin + k * cell
        draw.rectangle((start, margin, start + cell - 1, margin + bar), COLOURS[kind])
        draw.rectangle((margin, start, margin + bar, start + cell - 1), COLOURS[kind])
    for q in range(n):
        for k in range(n):
            corner = (origin + k * cell, origin + q * cell)
            colour = COLOURS[kinds[k]] if mask[q, k] else (246, 246, 246)
            draw.rectangle((*corner, corner[0] + cell - 2, corner[1] + cell - 2), colour)
    _legend(draw, margin, origin + side + 8)
    with whole_file(Path(path)) as temporary:
        picture.save(temporary, "PNG")
    return Path(path)


def _legend(draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
    for kind in (Kind.PREFIX, Kind.VISION, Kind.VOCO, Kind.TEXT):
        draw.rectangle((x, y, x + 11, y + 11), COLOURS[kind])
        name = {Kind.VOCO: "VoCo"}.get(kind, kind.name.lower())
        draw.text((x + 16, y), name, fill=(40, 40, 40))
        x += 16 + int(draw.textlength(name)) + 16
    draw.text((x, y), "rows  see  columns", fill=(40, 40, 40))
