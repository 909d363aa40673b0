"""The facts of a scene or clip, and what follows from them: content, split, relations, who hides whom."""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from data.world.shapes import inside, mask
from data.world.vocabulary import LEVELS, SIZE_SHARE
from voco_model.errors import VocoError

TRAIN_SHARE = 0.8
SPLITS = ("train", "test")
MAX_DRAWS = 2000

EventKind = Literal["move", "appear", "vanish", "recolour"]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Thing:
    """One thing; rows and columns count from 0 at the top left."""

    shape: str
    colour: str
    size: str
    row: int
    column: int
    box: Box
    """x0, y0, x1, y1 from 0 to 1."""
    word: str | None
    """The word or digit written on it."""
    hidden_share: float
    """How much of its area other things cover."""


@dataclass(frozen=True)
class Scene:
    """A still picture; later things are painted over earlier ones."""

    name: str
    split: str
    level: int
    grid: int
    background: str
    things: tuple[Thing, ...]
    seed: int
    """Of the texture."""


@dataclass(frozen=True)
class Event:
    """Something that happens to the thing of that number in `scene.things`; appearing things are numbered on."""

    kind: EventKind
    thing: int
    time: float
    to: tuple[int, int] | Thing | str | None = None
    """The new (row, column), the thing that appears, the new colour, or None where it vanishes."""


@dataclass(frozen=True)
class Clip:
    """A scene and what happens in it, in the order of time; no thing has two events."""

    name: str
    split: str
    level: int
    scene: Scene
    events: tuple[Event, ...]
    seconds: float
    fps: int
    seed: int


def generator(*parts: object) -> np.random.Generator:
    """Random numbers that follow from the arguments alone, on every machine."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def signature(scene: Scene) -> str:
    """A scene's content: things, looks, places and labels, whatever the background and who is in front."""
    parts = sorted((t.row, t.column, t.shape, t.colour, t.size, t.word or "") for t in scene.things)
    return f"{scene.grid};" + ";".join(" ".join(map(str, part)) for part in parts)


def split_of(scene: Scene) -> str:
    """The split that a scene's content belongs to."""
    digest = hashlib.sha256(signature(scene).encode()).digest()
    return "train" if int.from_bytes(digest[:8], "big") < TRAIN_SHARE * 2**64 else "test"


def left_of(a: Thing, b: Thing) -> bool:
    """Whether `a` is in a column left of `b`'s."""
    return a.column < b.column


def above(a: Thing, b: Thing) -> bool:
    """Whether `a` is in a row above `b`'s."""
    return a.row < b.row


def same_row(a: Thing, b: Thing) -> bool:
    return a.row == b.row


def count(scene: Scene, **attributes: str) -> int:
    """How many things have these attributes, e.g. `count(scene, colour="red", shape="ring")`."""
    return sum(all(getattr(t, k) == v for k, v in attributes.items()) for t in scene.things)


def check(split: str, level: int) -> None:
    if split not in SPLITS:
        raise VocoError(f"split is {split!r}; give train or test")
    if level not in LEVELS:
        raise VocoError(f"level is {level}; give 1 to {len(LEVELS)}")


def cell_box(size: str, row: int, column: int, grid: int, shift: float = 0.0) -> Box:
    """The middle of a cell, or `shift` cells to the right of it."""
    x, y, half = column + 0.5 + shift, row + 0.5, SIZE_SHARE[size] / 2
    return (x - half) / grid, (y - half) / grid, (x + half) / grid, (y + half) / grid


def with_hidden(things: list[Thing]) -> tuple[Thing, ...]:
    """The things with `hidden_share` measured: points of each shape that lie in a later one's."""
    out = []
    for i, thing in enumerate(things):
        x0, y0, x1, y1 = thing.box
        front = [b for b in things[i + 1 :] if _overlap(thing.box, b.box)]
        share = 0.0
        if front:
            ys, xs = np.nonzero(mask(thing.shape, 24))
            x, y = x0 + (xs + 0.5) / 24 * (x1 - x0), y0 + (ys + 0.5) / 24 * (y1 - y0)
            covered = np.zeros(len(x), dtype=bool)
            for b in front:
                u, v = _within(x, b.box[0], b.box[2]), _within(y, b.box[1], b.box[3])
                covered |= inside(b.shape, u, v)
            share = round(float(covered.mean()), 4)
        out.append(thing if share == thing.hidden_share else replace(thing, hidden_share=share))
    return tuple(out)


def _within(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return (x - low) / (high - low) * 2 - 1


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
