"""Scenes and clips: the same facts each time, disjoint splits, events that make sense."""

import hashlib
import math
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.world.scenes import (
    COLOURS,
    LABELS,
    LEVELS,
    SHAPES,
    SIZES,
    above,
    bits,
    count,
    generator,
    left_of,
    make_clip,
    make_scene,
    same_row,
    scene_at,
    signature,
    split_of,
)
from voco_model.errors import VocoError

ANY_SCENE = {
    "seed": st.integers(0, 2**40),
    "split": st.sampled_from(["train", "test"]),
    "number": st.integers(0, 10**6),
    "level": st.sampled_from(list(LEVELS)),
}
FRESH = """
import hashlib, io
from data.world.scenes import make_clip, make_scene
from data.world.drawing import draw
facts = [repr(make_scene(3, "train", 5, level)) + repr(make_clip(3, "test", 6, level)) for level in (1, 2, 3, 4)]
pixels = b"".join(draw(make_scene(4, "test", n, 3)).tobytes() for n in range(5))
print(hashlib.sha256("".join(facts).encode() + pixels).hexdigest())
"""


@given(**ANY_SCENE)
@settings(max_examples=60, deadline=None)
def test_a_scene_keeps_to_its_level(seed, split, number, level):
    scene = make_scene(seed, split, number, level)
    assert scene == make_scene(seed, split, number, level)
    of = LEVELS[level]
    assert scene.grid == of.grid
    assert of.fewest <= len(scene.things) <= of.most
    cells = [(t.row, t.column) for t in scene.things]
    assert len(set(cells)) == len(cells)
    words = [t.word for t in scene.things if t.word]
    assert len(set(words)) == len(words)
    assert set(words) <= set(LABELS)
    assert of.labels or not words
    for t in scene.things:
        x, y = (t.box[0] + t.box[2]) / 2 * of.grid, (t.box[1] + t.box[3]) / 2 * of.grid
        assert (int(y), int(x)) == (t.row, t.column), "its middle is in its cell"
        assert min(t.box) >= 0
        assert max(t.box) <= 1
        assert t.hidden_share < 0.5
        assert of.occlusion or t.hidden_share == 0


@given(**ANY_SCENE)
@settings(max_examples=40, deadline=None)
def test_a_clip_is_a_story_that_can_happen(seed, split, number, level):
    clip = make_clip(seed, split, number, level)
    assert clip == make_clip(seed, split, number, level)
    assert LEVELS[level].events[0] <= len(clip.events) <= LEVELS[level].events[1]
    assert all(a.time + 0.5 < b.time for a, b in pairwise(clip.events)), "a move ends before the next event"
    assert clip.events[-1].time < clip.seconds
    assert len({e.thing for e in clip.events}) == len(clip.events)
    assert scene_at(clip, 0.0).things == clip.scene.things
    for event in clip.events:
        before, after = scene_at(clip, event.time - 0.01).things, scene_at(clip, event.time + 0.6).things
        gone, come = set(_looks(before)) - set(_looks(after)), set(_looks(after)) - set(_looks(before))
        expected = {"move": (1, 1), "recolour": (1, 1), "vanish": (1, 0), "appear": (0, 1)}[event.kind]
        assert (len(gone), len(come)) == expected
        if event.kind == "move":
            (old,), (new,) = gone, come
            assert old[:2] != new[:2]
            assert old[2:] == new[2:]
        if event.kind == "recolour":
            (old,), (new,) = gone, come
            assert old[:3] == new[:3]
            assert new[3] == event.to != old[3]
        cells = [(t.row, t.column) for t in after]
        assert len(set(cells)) == len(cells)


def _looks(things):
    return [(t.row, t.column, t.shape, t.colour, t.size, t.word) for t in things]


def test_a_moving_thing_is_between_its_places_on_the_way():
    clip = next(c for n in range(50) if (c := make_clip(0, "train", n)).events[0].kind == "move")
    event = clip.events[0]
    start, half, end = (scene_at(clip, event.time + t).things[event.thing].box for t in (0, 0.25, 0.5))
    assert start == clip.scene.things[event.thing].box
    assert half == pytest.approx([(a + b) / 2 for a, b in zip(start, end, strict=True)])


@pytest.mark.parametrize("level", LEVELS)
def test_no_content_is_in_both_splits(level):
    """Over several seeds, with whatever a clip shows between its events."""
    seen = {"train": set(), "test": set()}
    for split, contents in seen.items():
        for seed in range(3):
            contents.update(signature(make_scene(seed, split, n, level)) for n in range(500))
            for n in range(20):
                clip = make_clip(seed, split, n, level)
                moments = [0.0] + [e.time + 0.5 for e in clip.events]
                contents.update(signature(scene_at(clip, t)) for t in moments)
    assert not seen["train"] & seen["test"]
    if level > 1:
        assert min(map(len, seen.values())) > 1500


def test_split_and_signature_know_the_content_alone():
    scene = make_scene(1, "test", 2, 3)
    same = replace(scene, name="other", background="dots", seed=0, things=scene.things[::-1])
    assert signature(same) == signature(scene)
    assert split_of(same) == "test"
    moved = replace(scene, things=scene.things[1:])
    assert signature(moved) != signature(scene)


def test_a_fifth_of_what_can_be_drawn_is_for_testing():
    scenes = [make_scene(9, "train", n, 3) for n in range(400)]
    halved = [split_of(replace(s, things=s.things[1:])) for s in scenes]
    assert 0.7 < halved.count("train") / 400 < 0.9


def test_another_process_makes_the_same():
    run = [sys.executable, "-c", FRESH]
    digests = {
        subprocess.run(
            run,
            env=os.environ | {"PYTHONHASHSEED": s, "PYTHONPATH": "."},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for s in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop()) == 2 * hashlib.sha256().digest_size + 1


def test_different_arguments_give_different_scenes():
    drawn = [make_scene(s, split, n, 3) for s in (0, 1) for split in ("train", "test") for n in range(20)]
    assert len({signature(s) for s in drawn}) == len(drawn)


def test_relations_and_counts():
    scene = make_scene(0, "train", 0, 4)
    a = replace(scene.things[0], row=0, column=2)
    b = replace(a, row=3)
    assert above(a, b)
    assert not above(b, a)
    assert not left_of(a, b)
    assert left_of(replace(a, column=1), b)
    assert same_row(a, a)
    assert not same_row(a, b)
    assert sum(count(scene, colour=c) for c in COLOURS) == count(scene) == len(scene.things)
    assert sum(count(scene, shape=s, size="small") for s in SHAPES) == count(scene, size="small")


def test_bits_of_the_first_level_by_hand():
    look = math.log2(6 * 8 * 2)
    one, two = 2 + look, math.log2(6) + 2 * look
    assert bits(1) == pytest.approx(1 + (one + two) / 2 + math.log2(5))
    assert [round(bits(level)) for level in LEVELS] == [15, 42, 75, 206]


def test_every_look_is_as_likely():
    things = [t for n in range(1500) for t in make_scene(2, "train", n, 3).things]
    for values, get in ((COLOURS, "colour"), (SHAPES, "shape"), (SIZES, "size"), (range(4), "row")):
        for value in values:
            share = sum(getattr(t, get) == value for t in things) / len(things)
            assert share == pytest.approx(1 / len(values), abs=0.02)


@pytest.mark.parametrize(
    ("split", "level", "named"), [("val", 2, "split"), ("train", 5, "level"), ("test", 0, "level")]
)
def test_what_there_is_not_is_refused(split, level, named):
    with pytest.raises(VocoError, match=named):
        make_scene(0, split, 0, level)
    with pytest.raises(VocoError, match=named):
        make_clip(0, split, 0, level)


def test_generators_follow_from_their_arguments_alone():
    assert generator("a", 1).integers(10**9) == generator("a", 1).integers(10**9)
    assert generator("a", 1).integers(10**9) != generator("a", 11).integers(10**9)
    assert generator("a", 11).integers(10**9) != generator("a1", 1).integers(10**9)
