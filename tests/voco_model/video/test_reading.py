"""What is measured, turned upright and held in memory; what a request must not ask for."""

import math
import resource
import weakref
from pathlib import Path

import numpy as np
import pytest

from tests.voco_model.video.clips import HEIGHT, WIDTH, index_of, make, picture
from voco_model import video
from voco_model.errors import VocoError
from voco_model.video import Frame, VideoInfo, check_frames, probe, sample_frames


@pytest.mark.parametrize("clockwise", [0, 90, 180, 270])
def test_pictures_are_turned_upright(tmp_path, clockwise):
    def stored(index: int) -> np.ndarray:
        return np.rot90(picture(index), k=clockwise // 90)

    path = make(tmp_path / "turned.mp4", range(20), draw=stored, rotation=-clockwise)
    assert [index_of(f) for f in sample_frames(path, fps=5)] == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert probe(path) == VideoInfo(2.0, 20, WIDTH, HEIGHT, clockwise)


def test_probe_measures(clips):
    assert probe(clips / "no_length.webm") == VideoInfo(4.0, 40, WIDTH, HEIGHT, 0)
    assert probe(str(clips / "late.mkv")) == VideoInfo(3.0, 30, WIDTH, HEIGHT, 0)


@pytest.mark.parametrize(
    ("name", "at", "shown"),
    [("irregular.mp4", 0.0, 0), ("irregular.mp4", 0.55, 2), ("late.mkv", 1.0, 10), ("irregular.webm", 1e9, 8)],
)
def test_the_check_of_all_frames_gives_the_picture_at_a_time(clips, name, at, shown):
    assert index_of(Frame(at, check_frames(clips / name, at))) == shown


def test_only_what_is_asked_for_is_decoded(clips, monkeypatch):
    decoded = []

    def counted(path):
        for start, frame in plain(path):
            decoded.append(start)
            yield start, frame

    plain = video._decoded
    monkeypatch.setattr(video, "_decoded", counted)
    frames = sample_frames(clips / "steady.mp4", fps=1)
    before = len(decoded)
    assert before <= 1
    next(frames)
    assert len(decoded) - before <= 2
    next(frames)
    assert len(decoded) - before <= 12


def test_pictures_handed_out_are_not_kept(clips):
    seen = []
    for frame in sample_frames(clips / "steady.mp4", fps=10):
        seen.append(weakref.ref(frame.image))
        assert sum(ref() is not None for ref in seen) <= 2


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="the system does not say how much memory is used"
)
def test_memory_does_not_grow_with_length(tmp_path):
    def wide(index: int) -> np.ndarray:
        return np.full((480, 640, 3), index % 256, np.uint8)

    def used() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    path = make(tmp_path / "long.mp4", range(200), draw=wide)
    list(sample_frames(path, count=2))
    before = used()
    most = max(used() for _ in sample_frames(path, fps=10))
    assert most - before < 200 * 640 * 480 / 4, "more than a sixth of the decoded video is in memory"


BAD_REQUESTS = [
    ({}, "exactly one"),
    ({"fps": 1, "count": 2}, "exactly one"),
    ({"fps": 0}, "fps is 0"),
    ({"fps": -2.5}, "fps is -2.5"),
    ({"fps": math.nan}, "fps is nan"),
    ({"fps": math.inf}, "fps is inf"),
    ({"count": 0}, "count is 0"),
    ({"count": -1}, "count is -1"),
    ({"count": 4097}, "count is 4097; give 1 to 4096"),
    ({"count": 6, "limit": 5}, "give 1 to 5"),
    ({"fps": 10, "limit": 39}, r"steady.mp4: .*40 frames, the limit is 39; lower fps or use count"),
    ({"fps": 1e300}, "lower fps or use count"),
]


@pytest.mark.parametrize(("request_", "message"), BAD_REQUESTS)
def test_a_request_that_makes_no_sense_is_refused_by_the_call(clips, request_, message):
    with pytest.raises(VocoError, match=message):
        sample_frames(clips / "steady.mp4", **request_)


def test_the_limit_itself_is_allowed(clips):
    assert len(list(sample_frames(clips / "steady.mp4", fps=10, limit=40))) == 40
