"""Frames sampled by time, against a plain oracle."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voco_model.video.clips import CLIPS, index_of, make, oracle, overwritten, times_of, timing, with_sound
from voco_model.errors import VocoError
from voco_model.video import sample_frames


def check(path: Path, starts: list[Fraction], end: Fraction, fps: str | None = None, count: int | None = None):
    times = times_of(end - starts[0], fps and Fraction(fps), count)
    frames = list(sample_frames(path, fps=fps and float(fps), count=count))
    assert [f.time for f in frames] == pytest.approx([float(t) for t in times], abs=1e-9)
    assert [index_of(f) for f in frames] == oracle(starts, times)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("fps", ["0.1", "0.7", "1", "3", "10", "29.97"])
def test_fps_samples_what_is_shown_at_each_multiple(clips, name, fps):
    check(clips / name, *timing(name), fps=fps)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("count", [1, 2, 7, 40, 111])
def test_count_samples_the_middles_of_equal_parts(clips, name, count):
    check(clips / name, *timing(name), count=count)


@settings(max_examples=25, deadline=None)
@given(fps=st.decimals("0.05", "60", places=2).map(str), count=st.integers(1, 200))
def test_any_fps_and_count(clips, fps, count):
    check(clips / "irregular.mp4", *timing("irregular.mp4"), fps=fps)
    check(clips / "irregular.mp4", *timing("irregular.mp4"), count=count)


@settings(max_examples=15, deadline=None)
@given(gaps=st.lists(st.integers(1, 30), max_size=20), fps=st.sampled_from(["0.3", "1", "2.5", "10"]))
def test_any_timing(tmp_path_factory, gaps, fps):
    ticks = [sum(gaps[:i]) for i in range(len(gaps) + 1)]
    path = make(tmp_path_factory.mktemp("any") / "any.mp4", ticks)
    starts = [Fraction(tick, 10) for tick in ticks]
    check(path, starts, starts[-1] + Fraction(1, 10), fps=fps)
    check(path, starts, starts[-1] + Fraction(1, 10), count=5)


def test_no_length_means_that_the_header_has_none(clips):
    with av.open(str(clips / "no_length.webm")) as container:
        assert container.duration is None
        assert (container.streams.video[0].duration, container.streams.video[0].frames) == (None, 0)


def test_milliseconds_do_not_add_up_to_a_frame_of_a_thirtieth(tmp_path):
    """Matroska rounds times to milliseconds; the oracle does the same."""
    path = make(tmp_path / "thirty.mkv", range(60), 30)
    starts = [Fraction(round(i * 1000 / 30), 1000) for i in range(60)]
    check(path, starts, starts[-1] + Fraction(33, 1000), fps="7")


def test_a_stream_without_timestamps_is_timed_by_its_rate(tmp_path):
    path = make(tmp_path / "raw.h264", range(40), 25, "libx264")
    starts = [Fraction(i, 25) for i in range(40)]
    check(path, starts, Fraction(40, 25), fps="5")
    check(path, starts, Fraction(40, 25), count=9)


def test_what_an_edit_list_leaves_out_is_left_out(tmp_path):
    path = make(tmp_path / "edited.mp4", range(40), codec="libx264")
    length = path.read_bytes().index(b"elst") + 12
    assert struct.unpack(">I", path.read_bytes()[length : length + 4]) == (4000,)
    overwritten(path, length, struct.pack(">I", 1500))
    check(path, [Fraction(i, 10) for i in range(15)], Fraction(3, 2), fps="4")


def test_a_title_that_is_not_unicode_does_no_harm(tmp_path):
    path = make(tmp_path / "titled.mkv", range(40), title="AAAAAAAA")
    overwritten(path, path.read_bytes().index(b"AAAAAAAA"), b"\xff\xfe\xc3\x28")
    check(path, *timing("steady.mkv"), fps="1")


def test_a_single_frame_is_found_at_any_rate(clips):
    assert [f.time for f in sample_frames(clips / "one.mp4", fps=0.001)] == [0.0]


def test_few_frames_are_repeated_to_the_count(clips):
    frames = list(sample_frames(clips / "irregular.mp4", count=50))
    indices = [index_of(f) for f in frames]
    assert len(frames) == 50
    assert indices == sorted(indices)
    assert len(set(indices)) < len(CLIPS["irregular.mp4"][1])


def test_sound_beside_the_pictures_changes_nothing(tmp_path, clips):
    path = with_sound(tmp_path / "sound.mkv", clips / "steady.mkv", 40)
    check(path, *timing("steady.mkv"), fps="2")


def test_a_part_is_sampled_alone(tmp_path):
    path = make(tmp_path / "clip.mp4", range(3, 23))  # two seconds, from 0.3 s on
    by_count = list(sample_frames(path, count=3, between=(0.5, 1.1)))
    assert [index_of(frame) for frame in by_count] == [6, 8, 10]
    assert [frame.time for frame in by_count] == pytest.approx([0.6, 0.8, 1.0])
    assert [index_of(f) for f in sample_frames(path, fps=5, between=(1.6, 9))] == [16, 18]
    assert [index_of(f) for f in sample_frames(path, fps=5, between=(0, 2))] == [
        index_of(f) for f in sample_frames(path, fps=5)
    ]
    for part in ((2, 3), (1, 1), (-1, 1)):
        with pytest.raises(VocoError, match=r"it shows 2\.00 s"):
            sample_frames(path, count=1, between=part)
