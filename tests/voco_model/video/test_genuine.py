"""Videos from elsewhere: turned, with sound, damaged."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.voco_model.video.clips import oracle, times_of
from voco_model.errors import VocoError
from voco_model.video import VideoInfo, probe, sample_frames

MEDIA = Path(__file__).parents[3].parent / "shared/benchmarks/media"


@pytest.fixture
def media() -> Path:
    if not MEDIA.is_dir():
        pytest.skip(f"the genuine videos are not at {MEDIA}")
    return MEDIA


def test_a_genuine_rotated_video_is_upright(media):
    assert probe(media / "decord_video_0.mov") == VideoInfo(0.1, 3, 568, 320, 0)
    assert probe(media / "decord_video_90.mov") == VideoInfo(0.1, 3, 320, 568, 90)
    with av.open(str(media / "decord_video_90.mov")) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    (frame,) = sample_frames(media / "decord_video_90.mov", fps=1)
    assert np.array_equal(np.asarray(frame.image), np.rot90(stored, k=-1))


def test_a_genuine_video_with_sound(media):
    path = media / "flipping_a_pancake.mkv"
    with av.open(str(path)) as container:
        starts = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert probe(path) == VideoInfo(10.333, 310, 426, 240, 0)
    wanted = oracle(starts, times_of(Fraction(10333, 1000), None, 4))
    with av.open(str(path)) as container:
        expected = [f.to_image() for i, f in enumerate(container.decode(video=0)) if i in wanted]
    assert [f.image for f in sample_frames(path, count=4)] == expected


def test_a_genuine_damaged_video(media):
    with pytest.raises(VocoError, match=r"decord_corrupted.mp4: decoding fails at \d\.\d\d s"):
        list(sample_frames(media / "decord_corrupted.mp4", count=8))
