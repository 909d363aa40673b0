"""Frames sampled by time, against a plain oracle; each picture shows its index as black and white bars."""

import io
import math
import resource
import struct
import wave
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from voco_model import video
from voco_model.errors import VocoError
from voco_model.video import MAX_PIXELS, Frame, VideoInfo, probe, sample_frames

WIDTH, HEIGHT = 64, 48
MEDIA = Path(__file__).parents[2].parent / "shared/benchmarks/media"
FAST = {"libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}


def picture(index: int) -> np.ndarray:
    """Eight bars over the upper two thirds; the lower third is grey, to tell up from down."""
    bits = [255 * (index >> k & 1) for k in range(8)]
    rows = np.repeat(np.array(bits, np.uint8), WIDTH // 8)
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    pixels[: HEIGHT * 2 // 3] = rows[None, :, None]
    return pixels


def index_of(frame: Frame) -> int:
    assert frame.image.mode == "RGB"
    assert frame.image.size == (WIDTH, HEIGHT)
    pixels = np.asarray(frame.image).astype(int).mean(-1)
    assert np.abs(pixels[-8:] - 128).max() < 40, "the grey part is not below"
    return sum(int(pixels[8:24, 8 * k + 2 : 8 * k + 6].mean() > 127) << k for k in range(8))


def make(
    path: Path,
    ticks,
    rate: int = 10,
    codec: str = "mpeg4",
    draw=picture,
    rotation: int = 0,
    disposition: Disposition | None = None,
    title: str = "",
    **container_options: str,
) -> Path:
    """A video with one frame at each of `ticks`, counted in 1/rate seconds."""
    with av.open(str(path), "w", options=container_options) as container:
        container.metadata["title"] = title
        stream = container.add_stream(codec, rate=rate, options=FAST.get(codec, {}))
        stream.height, stream.width = draw(0).shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if disposition:
            stream.disposition = disposition
        if rotation:
            stream.set_display_rotation(rotation)
        for index, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(draw(index), "rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def noise(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def packets(path: Path) -> list[tuple[int, int]]:
    """Where in the file each packet is: (position, size)."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size]


def overwritten(path: Path, position: int, content: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[position : position + len(content)] = content
    path.write_bytes(data)
    return path


def oracle(starts: list[Fraction], times: list[Fraction]) -> list[int]:
    """At each time, the last frame that has started."""
    return [max(i for i, start in enumerate(starts) if start - starts[0] <= time) for time in times]


def times_of(duration: Fraction, fps: Fraction | None, count: int | None) -> list[Fraction]:
    if count is not None:
        return [duration * (2 * i + 1) / (2 * count) for i in range(count)]
    times, k = [], 0
    while k / fps < duration:
        times.append(k / fps)
        k += 1
    return times


def check(path: Path, starts: list[Fraction], end: Fraction, fps: str | None = None, count: int | None = None):
    times = times_of(end - starts[0], fps and Fraction(fps), count)
    frames = list(sample_frames(path, fps=fps and float(fps), count=count))
    assert [f.time for f in frames] == pytest.approx([float(t) for t in times], abs=1e-9)
    assert [index_of(f) for f in frames] == oracle(starts, times)


CLIPS = {
    # name: (codec, ticks in tenths of a second, container options)
    "steady.mp4": ("mpeg4", range(40), {}),
    "reordered.mp4": ("libx264", range(40), {}),
    "fragments.mp4": ("libx264", range(40), {"movflags": "frag_keyframe+empty_moov"}),
    "steady.mkv": ("libx264", range(40), {}),
    "steady.avi": ("mpeg4", range(40), {}),
    "broadcast.ts": ("mpeg2video", range(40), {}),
    "irregular.mp4": ("mpeg4", (0, 1, 5, 6, 20, 21, 22, 50, 90), {}),
    "irregular.webm": ("libvpx-vp9", (0, 1, 5, 6, 20, 21, 22, 50, 90), {}),
    "late.mkv": ("mpeg4", range(30, 60), {}),
    "no_length.webm": ("libvpx-vp9", range(40), {"live": "1"}),
    "one.mp4": ("mpeg4", (0,), {}),
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, (codec, ticks, options) in CLIPS.items():
        rate = 25 if name.endswith(".ts") else 10
        make(folder / name, ticks, rate, codec, **options)
    return folder


def timing(name: str) -> tuple[list[Fraction], Fraction]:
    """When the frames of a clip start, and when the last ends."""
    rate = 25 if name.endswith(".ts") else 10
    starts = [Fraction(tick, rate) for tick in CLIPS[name][1]]
    return starts, starts[-1] + Fraction(1, rate)


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


def with_sound(path: Path, source: Path, n_pictures: int) -> Path:
    """The first packets of another video, beside nine seconds of silence."""
    with av.open(str(path), "w") as container, av.open(str(source)) as pictures:
        stream = container.add_stream_from_template(pictures.streams.video[0])
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for second in range(9):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
            samples.rate, samples.pts, samples.time_base = 8000, second * 8000, Fraction(1, 8000)
            container.mux(sound.encode(samples))
        for packet in list(pictures.demux(video=0))[:n_pictures]:
            packet.stream = stream
            container.mux(packet)
    return path


def test_sound_beside_the_pictures_changes_nothing(tmp_path, clips):
    path = with_sound(tmp_path / "sound.mkv", clips / "steady.mkv", 40)
    check(path, *timing("steady.mkv"), fps="2")


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
    refused(with_sound(tmp_path / "silence.mkv", clips / "steady.mkv", 0), "without frames")


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
