"""Scenes and clips as facts: what stands where, and what happens when. The names that others use are all here.

Everything follows from (seed, split, number, level). A scene's split follows from its content, so no content is
ever in both: the hash of `signature` says train (80 %) or test (20 %), and a draw of the other split is redrawn.
"""

from data.world.clips import make_clip, scene_at
from data.world.facts import (
    Clip,
    Event,
    Scene,
    Thing,
    above,
    count,
    generator,
    left_of,
    same_row,
    signature,
    split_of,
)
from data.world.stills import make_scene
from data.world.vocabulary import BACKGROUNDS, COLOURS, DIGITS, LABELS, LEVELS, SHAPES, SIZES, WORDS, bits

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "DIGITS",
    "LABELS",
    "LEVELS",
    "SHAPES",
    "SIZES",
    "WORDS",
    "Clip",
    "Event",
    "Scene",
    "Thing",
    "above",
    "bits",
    "count",
    "generator",
    "left_of",
    "make_clip",
    "make_scene",
    "same_row",
    "scene_at",
    "signature",
    "split_of",
]
