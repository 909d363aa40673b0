"""Clips drawn at random: a scene, and what happens in it in an order that matters."""

from dataclasses import replace
from typing import get_args

import numpy as np

from data.world.facts import (
    MAX_DRAWS,
    Clip,
    Event,
    EventKind,
    Scene,
    Thing,
    cell_box,
    check,
    generator,
    split_of,
    with_hidden,
)
from data.world.stills import make_scene
from data.world.vocabulary import COLOURS, LEVELS, SHAPES, SIZES
from voco_model.errors import VocoError

FPS = 8
GLIDE = 0.5
"""Seconds that a move takes."""
NEW = -1
"""The number of a thing that appears, until it is given one."""
KINDS: tuple[EventKind, ...] = get_args(EventKind)


def make_clip(seed: int, split: str, number: int, level: int = 2) -> Clip:
    """The clip of that number; the scene belongs to the split before and after every event."""
    check(split, level)
    of = LEVELS[level]
    rng = generator("clip", seed, split, number, level)
    n = int(rng.integers(of.events[0], of.events[1] + 1))
    # Level 1 has two things: two that vanish would leave the one empty scene, which cannot be in both splits.
    kinds = [KINDS[i] for i in (rng.permutation(4)[:n] if level == 1 else rng.integers(4, size=n))]
    # Kinds stay as drawn while scenes are redrawn, else those that are hard to place would be rarer.
    frames = np.cumsum(rng.integers(FPS - 1, FPS + 4, size=n))
    name = f"clip-{split}-{level}-{number:06d}"
    for _ in range(MAX_DRAWS):
        scene = make_scene(int(rng.integers(2**31)), split, number, level)
        if min(n, of.most - 1) < len(scene.things) <= of.most:
            scene = replace(scene, name=name)
            events = _draw_events(rng, scene, kinds, [int(f) / FPS for f in frames])
            if events:
                return Clip(name, split, level, scene, events, (int(frames[-1]) + FPS) / FPS, FPS, scene.seed)
    raise VocoError(f"no clip of split {split} in {MAX_DRAWS} draws for seed {seed}; choose another seed")


def scene_at(clip: Clip, time: float) -> Scene:
    """What is to be seen at a time; a thing that moves glides, and changes its row and column half way."""
    things: dict[int, Thing] = dict(enumerate(clip.scene.things))
    for event in clip.events:
        if event.time > time:
            break
        _apply(things, event, clip.scene.grid, min(1.0, (time - event.time) / GLIDE))
    return replace(clip.scene, things=with_hidden(list(things.values())))


def _draw_events(
    rng: np.random.Generator, scene: Scene, kinds: list[EventKind], times: list[float]
) -> tuple[Event, ...] | None:
    """Events of these kinds, each on a thing of its own; None where some state cannot be kept in the split."""
    things = dict(enumerate(scene.things))
    fresh = [int(i) for i in rng.permutation(len(things))]
    events: list[Event] = []
    for kind, time in zip(kinds, times, strict=True):
        for _ in range(40):
            event = _draw_event(rng, kind, time, things, fresh, scene.grid)
            if event.kind == "appear":  # numbers are not used again, whoever vanished
                event = replace(event, thing=len(scene.things) + sum(e.kind == "appear" for e in events))
            after = dict(things)
            _apply(after, event, scene.grid, 1.0)
            if split_of(replace(scene, things=tuple(after.values()))) == scene.split:
                break
        else:
            return None
        events.append(event)
        things = after
        fresh = [i for i in fresh if i != event.thing]
    return tuple(events)


def _draw_event(
    rng: np.random.Generator, kind: EventKind, time: float, things: dict[int, Thing], fresh: list[int], grid: int
) -> Event:
    number = fresh[int(rng.integers(len(fresh)))]
    taken = {(t.row, t.column) for t in things.values()}
    empty = [divmod(i, grid) for i in range(grid**2) if divmod(i, grid) not in taken]
    if kind == "vanish":
        return Event(kind, number, time)
    if kind == "recolour":
        others = [c for c in COLOURS if c != things[number].colour]
        return Event(kind, number, time, others[int(rng.integers(len(others)))])
    row, column = empty[int(rng.integers(len(empty)))]
    if kind == "move":
        return Event(kind, number, time, (row, column))
    shape, colour, size = (int(i) for i in rng.integers((len(SHAPES), len(COLOURS), len(SIZES))))
    box = cell_box(SIZES[size], row, column, grid)
    thing = Thing(SHAPES[shape], list(COLOURS)[colour], SIZES[size], row, column, box, None, 0.0)
    return Event(kind, NEW, time, thing)


def _apply(things: dict[int, Thing], event: Event, grid: int, progress: float) -> None:
    """Change `things` by an event, of which a share `progress` is over if it is a move."""
    if isinstance(event.to, Thing):
        things[event.thing] = event.to
    elif isinstance(event.to, str):
        things[event.thing] = replace(things[event.thing], colour=event.to)
    elif event.to is None:
        del things[event.thing]
    else:
        thing = things[event.thing]
        row, column = event.to if progress >= 0.5 else (thing.row, thing.column)
        goal = cell_box(thing.size, *event.to, grid)
        x0, y0, x1, y1 = (a + (b - a) * progress for a, b in zip(thing.box, goal, strict=True))
        things[event.thing] = replace(thing, row=row, column=column, box=(x0, y0, x1, y1))
