"""Pictures and clips show the facts: looked up in the pixels, and in decoded frames."""

from dataclasses import replace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.world.drawing import background, draw, draw_clip, rectangle, write_mp4
from data.world.font import ROWS, label
from data.world.scenes import BACKGROUNDS, COLOURS, LABELS, LEVELS, SHAPES, make_clip, make_scene, scene_at
from data.world.shapes import mask
from voco_model.errors import VocoError
from voco_model.video import probe

SPOTS = {"ring": (0.5, 0.1), "triangle": (0.5, 0.4)}
"""Where a shape surely has its colour, as a share of its box, above the middle where it may be labelled."""


def spot(thing, size):
    """That pixel's column and row."""
    u, v = SPOTS.get(thing.shape, (0.5, 0.45))
    x0, y0, x1, y1 = thing.box
    return int((x0 + u * (x1 - x0)) * size), int((y0 + v * (y1 - y0)) * size)


def covered(x, y, things, size):
    """Whether the pixel is in the box of one of the things."""
    return any(
        t.box[0] * size - 1 <= x <= t.box[2] * size + 1 and t.box[1] * size - 1 <= y <= t.box[3] * size + 1
        for t in things
    )


@pytest.mark.parametrize("level", LEVELS)
def test_every_thing_has_its_colour_where_it_stands(level):
    looked = 0
    for n in range(60):
        scene = make_scene(0, "train", n, level)
        pixels = np.asarray(draw(scene))
        for i, thing in enumerate(scene.things):
            x, y = spot(thing, len(pixels))
            if not covered(x, y, scene.things[i + 1 :], len(pixels)):
                looked += 1
                assert tuple(pixels[y, x]) == COLOURS[thing.colour], thing
    assert looked > 60


@pytest.mark.parametrize("level", LEVELS)
def test_a_box_holds_its_things_pixels_and_no_more(level):
    """Compared with the same scene without the thing."""
    for n in range(8):
        scene = make_scene(1, "test", n, level)
        plain = replace(scene, things=tuple(replace(t, word=None) for t in scene.things))
        whole = np.asarray(draw(plain)).astype(int)
        size = len(whole)
        for i, thing in enumerate(plain.things):
            without = replace(plain, things=plain.things[:i] + plain.things[i + 1 :])
            ys, xs = np.nonzero((whole != np.asarray(draw(without))).any(axis=2))
            x0, y0, x1, y1 = (edge * size for edge in thing.box)
            assert xs.min() >= x0 - 1e-6
            assert xs.max() + 1 <= x1 + 1e-6
            assert ys.min() >= y0 - 1e-6
            assert ys.max() + 1 <= y1 + 1e-6
            if thing.hidden_share == 0:
                slack = 2 + 0.15 * (x1 - x0)  # a star does not reach all of its box
                assert xs.max() - xs.min() + 1 >= x1 - x0 - slack


def test_hidden_share_is_what_pixels_say():
    measured = 0
    for n in range(40):
        scene = make_scene(2, "train", n, 3)
        for i, thing in enumerate(scene.things):
            if thing.hidden_share == 0 or thing.word:
                continue
            unseen = [replace(t, word=None) for t in scene.things[i + 1 :]]
            size = 512
            alone = np.asarray(draw(replace(scene, things=(thing,)), size))
            with_rest = np.asarray(draw(replace(scene, things=(thing, *unseen)), size))
            mine = (alone == COLOURS[thing.colour]).all(axis=2)
            share = 1 - (mine & (with_rest == COLOURS[thing.colour]).all(axis=2)).sum() / mine.sum()
            same_colour = any(t.colour == thing.colour for t in unseen)
            assert same_colour or share == pytest.approx(thing.hidden_share, abs=0.04)
            measured += 1
    assert measured > 15


def test_shapes_differ_at_the_smallest_size_that_is_drawn():
    smallest = min(
        rectangle(t.box, LEVELS[4].pixels)[2] for n in range(30) for t in make_scene(0, "train", n, 4).things
    )
    masks = [mask(shape, smallest) for shape in SHAPES]
    for i, one in enumerate(masks):
        for other in masks[:i]:
            assert (one != other).mean() > 0.15


def test_labels_are_legible_and_all_different():
    signs = [label(text, 1) for text in LABELS]
    assert len({s.tobytes() for s in signs}) == len(LABELS)
    assert all(s.shape[1] <= 16 for s in signs), "fits the narrowest cell"
    glyphs = {key: rows for key, rows in ROWS.items() if key.isalpha()}
    assert len(set(glyphs.values())) == 26
    digits = {key: rows for key, rows in ROWS.items() if key.isdigit()}
    assert len(set(digits.values())) == 10
    assert label("ice", 2).shape == (14, 2 * label("ice", 1).shape[1])


def test_a_label_stands_whole_below_its_things_middle():
    for n in range(40):
        scene = make_scene(3, "train", n, 2)
        pixels = np.asarray(draw(scene, 96))
        for thing in (t for t in scene.things if t.word):
            sign = label(thing.word, 2)
            height, width = sign.shape
            middle = (thing.box[0] + thing.box[2]) / 2 * 96
            left = min(max(0, round(middle - width / 2)), 96 - width)
            rows = [
                y
                for y in range(96 - height + 1)
                if (pixels[y : y + height, left : left + width] == sign[..., None]).all()
            ]
            assert len(rows) == 1
            assert rows[0] >= (thing.box[1] + thing.box[3]) / 2 * 96


def test_backgrounds_are_pale_and_differ():
    scene = make_scene(0, "train", 0)
    drawn = {kind: background(replace(scene, background=kind), 64) for kind in BACKGROUNDS}
    assert len({pixels.tobytes() for pixels in drawn.values()}) == len(BACKGROUNDS)
    for pixels in drawn.values():
        spread = pixels.max(axis=2).astype(int) - pixels.min(axis=2)
        assert spread.max() <= 30
        assert pixels.std() > 3
    assert not np.array_equal(background(replace(scene, seed=1), 64), background(replace(scene, seed=2), 64))


@given(st.integers(0, 10**6), st.sampled_from(list(LEVELS)), st.integers(64, 200))
@settings(max_examples=20, deadline=None)
def test_any_size_can_be_drawn(number, level, size):
    assert draw(make_scene(0, "test", number, level), size).size == (size, size)


def test_too_few_pixels_are_refused():
    with pytest.raises(VocoError, match="give 64 or more"):
        draw(make_scene(0, "train", 0, 4), 63)


@pytest.mark.parametrize("level", LEVELS)
def test_a_decoded_clip_shows_its_events(tmp_path, level):
    """Each frame against the facts at its time, after compression."""
    clip = make_clip(4, "test", 1, level)
    write_mp4(clip, tmp_path / "clip.mp4")
    info = probe(tmp_path / "clip.mp4")
    assert info.duration == pytest.approx(clip.seconds)
    assert info.frames == round(clip.seconds * clip.fps)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        frames = [f.to_ndarray(format="rgb24").astype(int) for f in container.decode(video=0)]
    for i, (frame, drawn) in enumerate(zip(frames, draw_clip(clip), strict=True)):
        assert abs(frame - np.asarray(drawn)).mean() < 10, "nearly the picture that was drawn"
        things = scene_at(clip, i / clip.fps).things
        for j, thing in enumerate(things):
            x, y = spot(thing, len(frame))
            if thing.size == "large" and not covered(x, y, things[:j] + things[j + 1 :], len(frame)):
                assert nearest_colour(frame[y, x]) == thing.colour
    for event in clip.events:
        before, after = (frames[round(event.time * clip.fps) + step] for step in (-1, 4))
        assert abs(after - before).max() > 60, f"{event.kind} can be seen"


def nearest_colour(pixel):
    return min(COLOURS, key=lambda name: abs(pixel - np.array(COLOURS[name])).sum())


def test_a_clip_is_written_in_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_mp4(make_clip(0, "train", 0), tmp_path / name)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
