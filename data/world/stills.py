"""Scenes drawn at random: what stands where."""

from dataclasses import replace

import numpy as np

from data.world.facts import MAX_DRAWS, Scene, Thing, cell_box, check, generator, split_of, with_hidden
from data.world.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    LABEL_SHARE,
    LABELS,
    LEVELS,
    SHAPES,
    SIZE_SHARE,
    SIZES,
    Level,
)
from voco_model.errors import VocoError

PUSHED = 0.8
"""How likely neighbours that may be pushed together are."""
OVERLAP = 0.65
"""Of two things that stand in each other's way: their distance, as a share of that at which they would touch."""


def make_scene(seed: int, split: str, number: int, level: int = 2) -> Scene:
    """The scene of that number; the same arguments give the same scene."""
    check(split, level)
    rng = generator("scene", seed, split, number, level)
    name = f"{split}-{level}-{number:06d}"
    for _ in range(MAX_DRAWS):
        scene = _draw_scene(rng, name, split, level)
        if split_of(scene) == split:
            return scene
    raise VocoError(f"no scene of split {split} in {MAX_DRAWS} draws for seed {seed}; choose another seed")


def _draw_scene(rng: np.random.Generator, name: str, split: str, level: int) -> Scene:
    of = LEVELS[level]
    n = int(rng.integers(of.fewest, of.most + 1))
    labels = [LABELS[i] for i in rng.permutation(len(LABELS))[:n]]
    labelled = (rng.random(n) < LABEL_SHARE) & of.labels
    cells = rng.permutation(of.grid**2)[:n]
    looks = rng.integers((len(SHAPES), len(COLOURS), len(SIZES)), size=(n, 3))
    things = []
    for cell, (shape, colour, size), label, shown in zip(cells, looks, labels, labelled, strict=True):
        row, column = divmod(int(cell), of.grid)
        box = cell_box(SIZES[size], row, column, of.grid)
        word = label if shown else None
        things.append(Thing(SHAPES[shape], list(COLOURS)[colour], SIZES[size], row, column, box, word, 0.0))
    if of.occlusion:
        _push_together(rng, things, of)
    background, seed = BACKGROUNDS[rng.integers(len(BACKGROUNDS))], int(rng.integers(2**31))
    return Scene(name, split, level, of.grid, background, with_hidden(things), seed)


def _push_together(rng: np.random.Generator, things: list[Thing], of: Level) -> None:
    """Move some neighbours of different colours into each other's way; both middles stay visible."""
    at = {(t.row, t.column): i for i, t in enumerate(things) if t.word is None}
    for (row, column), i in sorted(at.items()):
        j = at.get((row, column + 1))
        if j is None or (row, column) not in at or rng.random() > PUSHED or things[i].colour == things[j].colour:
            continue
        touching = (SIZE_SHARE[things[i].size] + SIZE_SHARE[things[j].size]) / 2
        for k, way in ((i, 1), (j, -1)):
            t = things[k]
            box = cell_box(t.size, t.row, t.column, of.grid, way * (1 - OVERLAP * touching) / 2)
            things[k] = replace(t, box=box)
        del at[row, column + 1]
