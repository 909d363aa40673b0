"""Pictures opened, turned, squared and tiled; those that cannot be are named."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.voco_model.processing.conversations import TOKENIZER, encoded, layout, processor
from voco_model.config import preset
from voco_model.errors import VocoError
from voco_model.processing.pictures import best_grid, open_picture, scaled, squares
from voco_model.processing.processor import VocoProcessor


def test_pad_keeps_the_whole_picture_and_square_its_middle():
    wide = Image.new("RGB", (90, 30), (0, 0, 0))
    wide.paste((255, 255, 255), (30, 0, 60, 30))
    (padded,) = squares(wide, "pad", 30, (1, 2, 3))
    assert padded.getpixel((15, 0)) == (1, 2, 3)
    assert padded.getpixel((2, 15)) == (0, 0, 0)
    (cropped,) = squares(wide, "square", 30, (1, 2, 3))
    assert cropped.getpixel((1, 1)) == (255, 255, 255)
    assert cropped.getpixel((28, 28)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("size", "to"),
    [((64, 48), (30, 22)), ((640, 480), (336, 252)), ((9, 7), (33, 26)), ((300, 2), (30, 1)), ((2, 300), (1, 30))],
)
def test_scaling_is_pillows_but_for_a_last_unit(size, to):
    picture = Image.fromarray(np.random.default_rng(3).integers(0, 255, (*size[::-1], 3), dtype=np.uint8))
    found = np.asarray(scaled(picture, *to)).astype(int)
    wanted = np.asarray(picture.resize(to, Image.Resampling.BICUBIC)).astype(int)
    assert found.shape == wanted.shape
    assert abs(found - wanted).max() <= 1
    assert (found != wanted).mean() < 0.02


def test_every_processor_scales_to_the_same_bytes():
    """Caches are named by what the tower sees, so that must not depend on a machine's instructions or threads."""
    program = """
import hashlib, torch, numpy as np
from PIL import Image
from voco_model.processing.pictures import squares
torch.set_num_threads(THREADS)
for size in ((480, 641), (641, 480), (5000, 1), (1, 5000), (640, 2), (900, 20), (1, 1), (40, 30)):
    picture = Image.fromarray(np.random.default_rng(5).integers(0, 255, (*size, 3), dtype=np.uint8))
    print(hashlib.sha256(squares(picture, "pad", 336, (1, 2, 3))[0].tobytes()).hexdigest())
"""
    digests = set()
    for capability, threads in (("default", 1), ("avx2", 1), ("avx2", 2)):
        done = subprocess.run(
            [sys.executable, "-c", program.replace("THREADS", str(threads))],
            env={**os.environ, "ATEN_CPU_CAPABILITY": capability},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


@pytest.mark.parametrize("size", [(90, 30), (31, 90), (30, 30), (400, 1)])
def test_a_padded_picture_lies_where_pillow_puts_it(size):
    picture = Image.new("RGB", size, (250, 250, 250))
    (found,) = squares(picture, "pad", 30, (1, 2, 3))
    if min(size) > 1:
        wanted = ImageOps.pad(picture, (30, 30), color=(1, 2, 3))
        assert np.array_equal(np.asarray(found) > 100, np.asarray(wanted) > 100)
    assert found.size == (30, 30)
    assert (np.asarray(found) == 250).any(), "even a line stays at least a line"


def test_tiles_of_a_high_resolution_picture():
    """672 x 672 at 336-pixel tiles: four tiles and the overview, 2,880 vision tokens."""
    picture = Image.new("RGB", (672, 672))
    for k, colour in enumerate([(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]):
        picture.paste(colour, (k % 2 * 336, k // 2 * 336, k % 2 * 336 + 336, k // 2 * 336 + 336))
    tiles = squares(picture, "tiles", 336, (0, 0, 0))
    assert [t.size for t in tiles] == [(336, 336)] * 5
    assert [t.getpixel((100, 100)) for t in tiles[1:]] == [
        (250, 0, 0),
        (0, 250, 0),
        (0, 0, 250),
        (250, 250, 0),
    ]
    assert 576 * len(tiles) == 2880 == preset("llava-7b-336").n_vision * 5
    batch = VocoProcessor.for_model(preset("tiny"), TOKENIZER, template="short", aspect="tiles")(
        ["<image>\nq"], [[picture]]
    )
    assert layout(batch).startswith("P1 " + "v16 V4 " * 5)


@pytest.mark.parametrize(
    ("size", "grid"),
    [((672, 672), (2, 2)), ((1008, 336), (3, 1)), ((300, 900), (1, 3)), ((600, 300), (2, 1))],
)
def test_the_grid_fits_the_picture(size, grid):
    assert best_grid(size, 336) == grid


def test_pictures_are_upright_and_rgb():
    picture = Image.new("L", (20, 10), 7)
    picture.getexif()[0x0112] = 6  # rotate by a quarter when shown
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=picture.getexif())
    opened = open_picture(out.getvalue())
    assert opened.mode == "RGB"
    assert opened.size == (10, 20)


@pytest.mark.parametrize(
    "content", [b"", b"no picture", encoded()[:60], encoded(kind="JPEG")[:200], b"GIF89a\0\0"], ids=repr
)
def test_what_does_not_decode_is_named(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(VocoError, match=r"broken\.png: cannot be decoded as an image"):
        processor()(["<image>\nq"], [[path]])
    with pytest.raises(VocoError, match="conversation 0, image 0: cannot be decoded"):
        processor()(["<image>\nq"], [[content]])
    with pytest.raises(VocoError, match="no such image file"):
        processor()(["<image>\nq"], [[tmp_path / "absent.png"]])


def test_sixteen_bits_are_scaled_and_what_is_transparent_is_white():
    ramp = Image.fromarray(np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16))
    shown = np.asarray(open_picture(encoded(ramp)))[..., 0].ravel()
    assert shown[0] == 0
    assert abs(int(shown[128]) - 128) < 3
    assert shown[-1] == 255
    clear = Image.new("RGBA", (4, 4), (200, 10, 10, 0))
    assert open_picture(encoded(clear)).getpixel((0, 0)) == (255, 255, 255)
    with pytest.raises(VocoError, match="mode F has no range"):
        open_picture(Image.new("F", (4, 4)))


def test_a_decompression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(VocoError, match="cannot be decoded as an image"):
        open_picture(encoded())
