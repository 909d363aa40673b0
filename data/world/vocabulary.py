"""What the world is made of, and how much of it there is on each level."""

import math
from dataclasses import dataclass

COLOURS = {
    "red": (215, 30, 35),
    "green": (20, 145, 55),
    "blue": (30, 65, 215),
    "yellow": (250, 222, 20),
    "orange": (250, 130, 10),
    "purple": (125, 35, 165),
    "cyan": (20, 190, 215),
    "pink": (250, 120, 190),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
SIZES = ("small", "large")
SIZE_SHARE = {"small": 0.5, "large": 0.85}
"""A thing's width as a share of its cell's."""
BACKGROUNDS = ("noise", "stripes", "checks", "dots", "waves")
WORDS = (
    *("box", "cup", "fox", "hat", "ice", "jam", "key", "map"),
    *("net", "owl", "pen", "rug", "sun", "tea", "van", "zip"),
)
DIGITS = tuple("0123456789")
LABELS = WORDS + DIGITS
"""What may be written on a thing; no scene has the same label twice."""
LABEL_SHARE = 0.3
"""How likely a thing has a label, where the level has them."""


@dataclass(frozen=True)
class Level:
    """How much is in a picture, and in a clip."""

    grid: int
    """Rows and columns."""
    fewest: int
    most: int
    """Things in a scene, any number of the range being equally likely."""
    labels: bool
    occlusion: bool
    events: tuple[int, int]
    """The fewest and most events of a clip."""
    pixels: int
    """Width and height of a picture in which everything can still be told apart."""


LEVELS = {
    1: Level(2, 1, 2, labels=False, occlusion=False, events=(2, 2), pixels=64),
    2: Level(3, 2, 5, labels=True, occlusion=False, events=(2, 3), pixels=64),
    3: Level(4, 4, 9, labels=True, occlusion=True, events=(3, 4), pixels=96),
    4: Level(8, 10, 24, labels=True, occlusion=True, events=(4, 6), pixels=192),
}


def bits(level: int) -> float:
    """The entropy of a scene's description: how many bits a token would need to hold everything.

    Counted are the number of things, their cells, shapes, colours, sizes and labels, and the kind of background;
    not the texture's details, who stands in front of whom, nor the split, which knows less than one bit of it.
    Levels 1 to 4 have about 15, 42, 75 and 206 bits.
    """
    of = LEVELS[level]
    numbers = range(of.fewest, of.most + 1)
    look = math.log2(len(SHAPES) * len(COLOURS) * len(SIZES))
    per_number = (
        math.log2(math.comb(of.grid**2, n)) + n * look + (_label_bits(n) if of.labels else 0) for n in numbers
    )
    return math.log2(len(numbers)) + sum(per_number) / len(numbers) + math.log2(len(BACKGROUNDS))


def _label_bits(n: int) -> float:
    """Entropy of who of `n` things has a label, and which: labels are dealt out without putting back."""
    p = LABEL_SHARE
    total = -n * (p * math.log2(p) + (1 - p) * math.log2(1 - p))
    for k in range(n + 1):
        total += math.comb(n, k) * p**k * (1 - p) ** (n - k) * math.log2(math.perm(len(LABELS), k))
    return total
