"""Videos that are none, damaged, cut short or absurd: one line that says which file, what, where."""

import io
import math
import struct
import wave
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.stream import Disposition
from PIL import Image

from tests.voco_model.video.clips import index_of, make, noise, overwritten, packets, with_sound
from voco_model.errors import VocoError
from voco_model.video import MAX_PIXELS, check_frames, probe, sample_frames


def refused(path: Path, message: str) -> None:
    """Both entrances say in one line which file, what is wrong and what to do."""
    for attempt in (lambda: list(sample_frames(path, count=3)), lambda: probe(path)):
        with pytest.raises(VocoError, match=message) as caught:
            attempt()
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        assert ";" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    refused(tmp_path / "none.mp4", "no such video file; check the path")
    refused(tmp_path, "no such video file")


@pytest.mark.parametrize("content", [b"", b"only words\n" * 50, bytes(range(256)) * 20])
def test_a_file_that_is_not_a_video(tmp_path, content):
    path = tmp_path / "not.mp4"
    path.write_bytes(content)
    refused(path, "cannot be read as a video")


def test_a_file_with_sound_only(tmp_path):
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    refused(path, "has no video that can be decoded")


def test_a_cover_picture_is_not_a_video(tmp_path):
    path = make(tmp_path / "cover.mp4", (0,), codec="mjpeg", disposition=Disposition.attached_pic)
    refused(path, "has no video that can be decoded")


def test_a_video_without_frames(tmp_path, clips):
    path = with_sound(tmp_path / "silence.mkv", clips / "steady.mkv", 0)
    refused(path, "without frames")
    with pytest.raises(VocoError, match="without frames"):
        check_frames(path)


@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "libvpx-vp9"])
@pytest.mark.parametrize("damaged", [20, 38, 39])
def test_damage_midway_is_an_error_that_names_the_time(tmp_path, codec, damaged):
    """Also in the last frames, which a decoder with threads would leave out without a word."""
    path = make(tmp_path / "damaged.mp4", range(40), codec=codec, draw=noise)
    position, size = packets(path)[damaged]
    overwritten(path, position + 4, bytes(size - 4))
    frames = sample_frames(path, fps=10)
    times = []
    with pytest.raises(VocoError, match=r"damaged\.mp4: .* at \d\.\d\d s.*; get the file again") as caught:
        times.extend(frame.time for frame in frames)
    named = float(str(caught.value).split(" at ")[1].split(" s")[0])
    assert named == pytest.approx(damaged / 10, abs=0.5)
    assert times == [i / 10 for i in range(len(times))]
    assert damaged - 4 <= len(times) <= damaged
    with pytest.raises(VocoError, match=r"damaged\.mp4: .* at \d\.\d\d s"):
        check_frames(path)


def test_a_picture_that_the_decoder_patched_up_is_refused(tmp_path):
    path = make(tmp_path / "patched.mp4", range(40), draw=noise)
    position, size = packets(path)[39]
    overwritten(path, position + size // 2, bytes(size // 2))
    with pytest.raises(VocoError, match=r"patched\.mp4: the frame at 3\.90 s is damaged"):
        list(sample_frames(path, fps=10))


def test_frames_before_the_damage_are_given(tmp_path):
    path = make(tmp_path / "damaged.mp4", range(40), draw=noise)
    position, size = packets(path)[30]
    overwritten(path, position + 4, bytes(size - 4))
    frames = sample_frames(path, fps=1)
    assert [next(frames).time for _ in range(2)] == [0.0, 1.0]
    with pytest.raises(VocoError, match=r"at 3\.0"):
        list(frames)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("cut.mp4", "libx264"), ("cut.webm", "libvpx-vp9"), ("cut.mkv", "mpeg4"), ("cut.avi", "mpeg4")],
)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.8])
def test_a_file_that_was_cut_short_is_refused(tmp_path, name, codec, kept):
    path = make(
        tmp_path / name,
        range(40),
        codec=codec,
        draw=noise,
        **({"movflags": "faststart"} if "mp4" in name else {}),
    )
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    refused(path, "damaged|ends at .* by its header at 4.00 s|decoding fails")


def test_an_absurd_size_in_the_header_is_refused(tmp_path):
    path = make(tmp_path / "absurd.avi", range(3), codec="ffv1")
    size = path.read_bytes().index(b"strf") + 12
    overwritten(path, size, struct.pack("<ii", 20000, 20000))
    refused(path, "picture size is unreadable or above 67108864 pixels")


def test_an_absurd_size_hidden_in_the_pictures_is_refused(tmp_path):
    path, side = make(tmp_path / "hidden.mkv", range(2), codec="mjpeg"), math.isqrt(MAX_PIXELS) + 1
    image = io.BytesIO()
    Image.new("L", (side, side)).save(image, "jpeg")
    with av.open(str(path)) as source, av.open(str(tmp_path / "absurd.mkv"), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        small = next(source.demux(video=0))
        for index, content in enumerate([bytes(small), bytes(small), image.getvalue()]):
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.duration = stream, Fraction(1, 10), 1
            packet.pts = packet.dts = index
            container.mux(packet)
    frames = sample_frames(tmp_path / "absurd.mkv", fps=10)
    assert index_of(next(frames)) == 0
    with pytest.raises(VocoError, match=r"absurd.mkv: decoding fails at 0\.20 s"):
        next(frames)
