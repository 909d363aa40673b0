"""Hostile and honest media: each fault named, no exception, no memory taken for a promise in a header."""

import io
import os
import struct
import zipfile
import zlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from voco_model.data import media
from voco_model.data.media import MediaFacts, MediaFault, difference_hash, inspect_media
from voco_model.data.picture_files import outline


def picture(width=64, height=48, mode="RGB", seed=0):
    rough = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def encoded(format, image=None, **options):
    buffer = io.BytesIO()
    (image or picture()).save(buffer, format, **options)
    return buffer.getvalue()


def archive():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("run.sh", "echo hello")
    return buffer.getvalue()


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width, height):
    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", ihdr)


def clip(path, frames=12, size=(64, 48), codec="mpeg4", pixels="yuv420p"):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(12))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        for n in range(frames):
            for packet in stream.encode(av.VideoFrame.from_image(picture(*size, seed=n))):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path.read_bytes()


FORMATS = {
    "jpeg": lambda: encoded("JPEG"),
    "progressive": lambda: encoded("JPEG", progressive=True),
    "png": lambda: encoded("PNG"),
    "gif": lambda: encoded("GIF"),
    "webp": lambda: encoded("WEBP"),
    "webp lossless": lambda: encoded("WEBP", lossless=True),
    "webp with exif": lambda: encoded("WEBP", exif=Image.Exif()),
    "bmp": lambda: encoded("BMP"),
    "cmyk jpeg": lambda: encoded("JPEG", picture(mode="CMYK")),
    "grey": lambda: encoded("PNG", picture(mode="L")),
    "palette": lambda: encoded("PNG", picture(mode="P")),
    "alpha": lambda: encoded("PNG", picture(mode="RGBA")),
    "bilevel": lambda: encoded("PNG", picture(mode="1")),
}


@pytest.mark.parametrize("format", FORMATS)
def test_honest_pictures_have_their_facts(format):
    data = FORMATS[format]()
    seen = inspect_media(data, "image")
    assert isinstance(seen, MediaFacts), seen
    assert (seen.width, seen.height, seen.bytes) == (64, 48, len(data))
    assert len(seen.perceptual_hash) == 16
    quick = inspect_media(data, "image", decode=False)
    assert (quick.digest, quick.width, quick.height, quick.perceptual_hash) == (seen.digest, 64, 48, None)


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_cut_anywhere_is_set_aside(format):
    data = FORMATS[format]()
    for tenth in range(10):
        seen = inspect_media(data[: len(data) * tenth // 10], "image")
        expected = {"empty_media"} if not tenth else {"truncated", "undecodable_image"}
        assert isinstance(seen, MediaFault), (tenth, seen)
        assert seen.code in expected, (tenth, seen)


@pytest.mark.parametrize("format", FORMATS)
def test_foreign_bytes_behind_a_picture_are_a_polyglot_and_padding_is_not(format):
    data = FORMATS[format]()
    for glued in (archive(), b"<script>alert(1)</script>", b"%PDF-1.7"):
        for decode in (True, False):
            assert inspect_media(data + glued, "image", decode=decode).code == "polyglot"
    assert isinstance(inspect_media(data + bytes(300), "image"), MediaFacts)


def test_an_archive_in_a_chunk_of_the_picture_is_found():
    data = encoded("PNG")
    end = len(data) - 12
    inside = bytearray(archive())
    inside[-2:] = struct.pack("<H", 4 + 12)  # its comment is the chunk's checksum and the picture's end
    found = inspect_media(data[:end] + png_chunk(b"zzZz", bytes(inside)) + data[end:], "image")
    assert found == MediaFault("polyglot", "a ZIP archive inside the picture")


def test_bombs_are_refused_by_their_header():
    bombs = {
        "png": png_header(60_000, 60_000)
        + png_chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + png_chunk(b"IEND", b""),
        "jpeg": bytearray(encoded("JPEG")),
        "gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + encoded("GIF")[10:],
        "bmp": bytearray(encoded("BMP")),
    }
    frame = bombs["jpeg"].index(b"\xff\xc0")
    bombs["jpeg"][frame + 5 : frame + 9] = struct.pack(">HH", 65500, 65500)
    bombs["bmp"][18:26] = struct.pack("<ii", 100_000, -100_000)
    for name, data in bombs.items():
        for decode in (True, False):
            assert inspect_media(bytes(data), "image", decode=decode).code == "bomb", name


def test_a_promise_of_pixels_that_are_not_there_is_set_aside():
    data = png_header(5000, 5000) + png_chunk(b"IDAT", zlib.compress(bytes(100))) + png_chunk(b"IEND", b"")
    assert inspect_media(data, "image").code == "undecodable_image"


def test_animations_and_odd_modes():
    frames = [picture(seed=n) for n in range(3)]
    for format in ("PNG", "GIF", "WEBP"):
        data = encoded(format, frames[0], save_all=True, append_images=frames[1:])
        assert inspect_media(data, "image").code == "animated", format
    deep = Image.fromarray(np.full((8, 8), 30_000, np.uint16))
    assert inspect_media(encoded("PNG", deep), "image").code == "odd_mode"
    assert isinstance(inspect_media(encoded("PNG", picture(1, 1)), "image"), MediaFacts)


def test_a_phone_picture_with_its_second_jpeg_is_one_picture():
    data = encoded("MPO", picture(), save_all=True, append_images=[picture(seed=1)])
    assert isinstance(inspect_media(data, "image"), MediaFacts)
    assert inspect_media(data + archive(), "image").code == "polyglot"


def test_other_files_are_called_by_their_name(tmp_path):
    for data, name in (
        (archive(), "ZIP"),
        (b"<html></html>", "web page"),
        (b"%PDF-1.4 ...", "PDF"),
        (b"MZ" * 9, "program"),
    ):
        seen = inspect_media(data, "image")
        assert seen.code == "wrong_type"
        assert name in seen.reason
    assert inspect_media(tmp_path / "absent.png", "image").code == "missing_media"
    assert inspect_media(tmp_path, "image").code == "not_a_file"
    os.mkfifo(tmp_path / "pipe.png")
    assert inspect_media(tmp_path / "pipe.png", "image").code == "not_a_file"


def test_a_file_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(media, "MAX_IMAGE_BYTES", 1000)
    (tmp_path / "a.png").write_bytes(bytes(1001))
    assert inspect_media(tmp_path / "a.png", "image").code == "too_large"


def test_sizes_are_those_of_the_upright_picture():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded("JPEG", exif=exif)
    for decode in (True, False):
        seen = inspect_media(data, "image", decode=decode)
        assert (seen.width, seen.height) == (48, 64)


def test_the_hash_stays_near_for_a_scaled_picture_and_far_for_another():
    def distance(a, b):
        return (int(difference_hash(a), 16) ^ int(difference_hash(b), 16)).bit_count()

    one = picture(640, 480)
    again = Image.open(io.BytesIO(encoded("JPEG", one.resize((320, 240)), quality=60)))
    assert distance(one, one) == 0
    assert distance(one, again) <= 4
    others = [picture(640, 480, seed=n) for n in range(12)]
    assert min(distance(a, b) for a, b in pairwise(others)) > 10


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6))
def test_damage_gives_facts_or_a_fault_and_never_an_exception(format, damage):
    data = bytearray(FORMATS[format]())
    for place, value in damage:
        data[int(place * len(data))] = value
    for decode in (True, False):
        assert isinstance(inspect_media(bytes(data), "image", decode=decode), MediaFacts | MediaFault)


@given(
    st.binary(max_size=200),
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBP", b"BM"]),
)
def test_an_outline_of_nonsense_is_no_exception(tail, magic):
    outline(magic + tail)


@pytest.mark.parametrize("step", [b"\xff\xfe\x00\x02", b"\xff"])
def test_millions_of_empty_segments_end_soon(step):
    data = b"\xff\xd8" + step * (8_000_000 // len(step))
    assert isinstance(inspect_media(data, "image"), MediaFault)


def test_clips_are_measured(tmp_path):
    data = clip(tmp_path / "a.mp4")
    seen = inspect_media(tmp_path / "a.mp4", "video")
    assert (seen.width, seen.height, seen.frames, seen.bytes) == (64, 48, 12, len(data))
    assert seen.duration == pytest.approx(1.0)
    assert seen == inspect_media(data, "video")
    quick = inspect_media(tmp_path / "a.mp4", "video", decode=False)
    assert (quick.digest, quick.frames, quick.perceptual_hash) == (seen.digest, None, None)


@pytest.mark.parametrize(("frames", "middle"), [(12, 6), (11, 5), (1, 0)])
def test_a_clips_hash_is_that_of_its_middle_frame(tmp_path, frames, middle):
    seen = inspect_media(clip(tmp_path / "a.mov", frames, codec="png", pixels="rgb24"), "video")
    assert seen.perceptual_hash == difference_hash(picture(seed=middle))


def test_clips_with_absurd_headers_or_cut_short_are_set_aside(tmp_path):
    data = clip(tmp_path / "a.mp4")
    long = bytearray(data)
    mdhd = data.index(b"mdhd")
    long[mdhd + 20 : mdhd + 24] = b"\x00\xff\xff\xff"
    scale = bytearray(data)
    scale[mdhd + 16 : mdhd + 20] = b"\x00\x00\x00\x01"  # a tick of the clock becomes a second: hours of video
    stts = data.index(b"stts")
    scale[stts + 16 : stts + 20] = b"\x00\xff\xff\xff"
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")
    for broken in (bytes(scale), data[:200], data[: len(data) // 2], bytes(1000), b"ftyp" * 10):
        assert isinstance(inspect_media(broken, "video"), MediaFault)
    assert isinstance(inspect_media(bytes(long), "video"), MediaFacts | MediaFault)
    assert inspect_media(tmp_path / "list.mp4", "video").code == "wrong_type"
    assert inspect_media(b"", "video").code in ("empty_media", "wrong_type")


def test_damage_in_the_middle_of_a_clip_is_found(tmp_path):
    data = bytearray(clip(tmp_path / "a.mov", codec="png", pixels="rgb24"))
    middle = data.index(b"IDAT", len(data) // 3)
    data[middle + 4 : middle + 400] = bytes(396)
    seen = inspect_media(bytes(data), "video")
    assert seen.code == "undecodable_video"
    assert "decoding fails at" in seen.reason


def test_the_genuine_damaged_clip_is_set_aside():
    genuine = Path(__file__).parents[3] / "shared/benchmarks/media/decord_corrupted.mp4"
    if not genuine.is_file():
        pytest.skip("the genuine damaged clip is not here")
    assert inspect_media(genuine, "video").code == "undecodable_video"


def test_a_clip_that_would_decode_for_days_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(media, "MAX_CLIP_PIXELS", 64 * 48 * 11)
    assert inspect_media(clip(tmp_path / "a.mp4"), "video").code == "bomb"


@pytest.mark.parametrize("side", [65_000, 9_000])
def test_clips_of_absurd_size_are_refused(tmp_path, side):
    data = clip(tmp_path / "a.mov", codec="png", pixels="rgb24")
    assert isinstance(inspect_media(data, "video"), MediaFacts)
    entry = data.index(b"png ")  # the sample entry: the picture's size stands 28 bytes behind its name
    absurd = bytearray(data.replace(data[data.index(b"IHDR") :][:12], b"IHDR" + struct.pack(">II", side, side)))
    absurd[entry + 28 : entry + 32] = struct.pack(">HH", side, side)
    assert inspect_media(bytes(absurd), "video").code == "undecodable_video"


@settings(max_examples=40, deadline=None)
@given(damage=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_clips_never_raise(damage, tmp_path_factory):
    if not hasattr(test_damaged_clips_never_raise, "data"):
        test_damaged_clips_never_raise.data = clip(tmp_path_factory.mktemp("clip") / "a.mp4")
    data = bytearray(test_damaged_clips_never_raise.data)
    for place, value in damage:
        data[int(place * len(data))] = value
    assert isinstance(inspect_media(bytes(data), "video"), MediaFacts | MediaFault)
