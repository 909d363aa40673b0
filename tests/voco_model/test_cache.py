"""The cache as a value: saved, loaded, joined, moved, quantised, refused when it is wrong."""

import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voco_model.worlds import model
from voco_model.cache import VocoCache
from voco_model.errors import VocoError
from voco_model.quantised import quantise
from voco_model.rotary import inverse_frequencies, rotate

PIXELS = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)).double()


@pytest.fixture(scope="module")
def made():
    return model(n_voco=3)


@pytest.fixture
def cache(made):
    return made.compress(PIXELS[:2])


def same(one, other):
    assert one.blocks == other.blocks
    assert one.model == other.model
    assert torch.equal(one.positions, other.positions)
    for a, b in zip(one.tensors(), other.tensors(), strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


@pytest.mark.parametrize("int8", [False, True])
def test_a_saved_cache_comes_back_bit_for_bit(cache, tmp_path, int8):
    cache = cache.quantised() if int8 else cache
    loaded = VocoCache.load(cache.save(tmp_path / "deep" / "image.safetensors"))
    same(loaded, cache)
    assert loaded.is_quantised == int8
    assert loaded.nbytes == cache.nbytes
    assert [f.name for f in (tmp_path / "deep").iterdir()] == ["image.safetensors"]


def test_the_file_is_the_same_for_the_same_cache(cache, tmp_path):
    first, second = cache.save(tmp_path / "a"), cache.save(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_flipped_byte_is_never_loaded(tmp_path_factory, where, flip):
    path = tmp_path_factory.mktemp("flip") / "image.safetensors"
    small = VocoCache(
        torch.ones(1, 1, 1, 4), torch.ones(1, 1, 1, 4), torch.ones(1).long(), (("x", 1),), "m", torch.ones(2)
    )
    small.save(path)
    content = bytearray(path.read_bytes())
    content[where % len(content)] ^= flip
    path.write_bytes(content)
    message = refusal(path)
    if message is None:  # padding inside the header carries nothing
        same(VocoCache.load(path), small)
    else:
        assert str(path) in message
        assert "\n" not in message


def refusal(path) -> str | None:
    """What is said of a file that is refused."""
    try:
        VocoCache.load(path)
    except VocoError as error:
        return str(error)
    return None


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"not a cache at all", struct.pack("<Q", 1 << 60) + b"{}"])
def test_what_is_no_cache_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "image.safetensors"
    path.write_bytes(content)
    with pytest.raises(VocoError, match=r"image\.safetensors.*compress the image again"):
        VocoCache.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VocoError, match="nowhere: no such cache file"):
        VocoCache.load(tmp_path / "nowhere")


def test_a_full_disk_leaves_nothing_under_the_final_name(cache, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("voco_model.cache.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        cache.save(tmp_path / "image.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_split_and_concat_undo_each_other(cache):
    same(VocoCache.concat(cache.split()), cache)


@pytest.mark.parametrize("positions", ["layout", "compact"])
def test_concat_equals_compressing_in_place_where_no_prefix_stands_before(positions):
    made = model(n_voco=3, positions=positions)
    together = made.compress(PIXELS, prefix_ids=[])
    joined = VocoCache.concat([made.compress(PIXELS[k : k + 1], prefix_ids=[]) for k in range(4)])
    assert torch.equal(joined.positions, together.positions)
    for a, b in zip(joined.tensors(), together.tensors(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)  # the decoder's own rotary angles are float32


def test_the_prefix_is_all_that_moving_cannot_move(made):
    there = made.compress(PIXELS[:1], place=50)
    moved = made.compress(PIXELS[:1], place=1).moved_to(50)
    keys, exact = moved.tensors()[0], there.tensors()[0]
    torch.testing.assert_close(keys[0], exact[0], rtol=1e-5, atol=1e-5)
    assert float((keys - exact).abs().max()) < 0.5 * float(exact.abs().max())


@pytest.mark.parametrize("decoder", ["llama", "qwen2", "qwen3", "mistral"])
def test_moving_and_moving_back_is_nothing(decoder):
    cache = model(decoder, n_voco=2).compress(PIXELS[:1])
    back = cache.moved_to(1000).moved_to(int(cache.positions[0]))
    torch.testing.assert_close(back.tensors()[0], cache.tensors()[0], rtol=1e-10, atol=1e-10)


def test_a_decoder_that_rotates_in_another_way_is_refused(made, monkeypatch):
    monkeypatch.setattr("voco_model.rotary.rotate", lambda keys, *_: keys)
    with pytest.raises(VocoError, match="rotates its keys in another way"):
        inverse_frequencies(made.language_model)


def test_rotating_keeps_lengths_and_leaves_the_unrotated_part():
    keys = torch.randn(2, 3, 5, 10, dtype=torch.float64)
    moved = rotate(keys, torch.arange(5), torch.tensor([1.0, 0.1, 0.01]))
    torch.testing.assert_close(moved.norm(dim=-1), keys.norm(dim=-1))
    assert torch.equal(moved[..., 6:], keys[..., 6:])
    assert torch.equal(moved[..., 0, :], keys[..., 0, :])


@settings(deadline=None)
@given(st.floats(1e-3, 1e5), st.integers(0, 1000))
def test_int8_is_within_its_half_step(scale, seed):
    x = torch.randn(3, 2, 4, 16, generator=torch.Generator().manual_seed(seed)) * scale
    x[0, 0, 0] = 0
    coded = quantise(x)
    step = x.abs().amax(-1, keepdim=True) / 127 * 2 ** (1 / 8)
    assert ((coded.dequantised() - x).abs() <= step / 2 + 1e-7).all()
    assert torch.equal(coded.dequantised()[0, 0, 0], torch.zeros(16))


def test_values_past_the_scales_are_refused_and_not_clipped():
    for value in (1e9, torch.inf, torch.nan):
        with pytest.raises(VocoError, match="keep the cache plain"):
            quantise(torch.tensor([[value, 1.0]]))


def test_int8_takes_half_of_sixteen_bits():
    keys = torch.randn(32, 32, 1, 128)
    cache = VocoCache(keys, keys, torch.ones(1), (("x", 1),), "m", torch.ones(64)).to(dtype=torch.bfloat16)
    assert cache.nbytes == 2 * 32 * 32 * 128 * 2
    assert cache.quantised().nbytes == 2 * 32 * 32 * (128 + 1)


def test_to_changes_the_type_and_counts_bytes(cache):
    assert cache.to(dtype=torch.bfloat16).nbytes * 4 == cache.nbytes
    assert cache.quantised().to(dtype=torch.float32).dtype == torch.float32
    assert cache.quantised().to("cpu").is_quantised


def test_first_keeps_each_images_first_tokens(made, cache):
    fewer = made.compress(PIXELS[:2], n_voco=2, place=1)
    assert cache.first(2).blocks == fewer.blocks
    torch.testing.assert_close(
        cache.first(2).split()[0].tensors(), fewer.split()[0].tensors(), rtol=1e-10, atol=1e-10
    )
    assert cache.first(7) is cache
    with pytest.raises(VocoError, match="at least one token"):
        cache.first(0)


def test_what_does_not_belong_together_is_not_joined(cache):
    other = model("qwen2", n_voco=3).compress(PIXELS[:1])
    with pytest.raises(VocoError, match="different models"):
        VocoCache.concat([cache, other])
    with pytest.raises(VocoError, match="int8"):
        VocoCache.concat([cache, cache.quantised()])
    with pytest.raises(VocoError, match="no cache"):
        VocoCache.concat([])


def test_the_digest_follows_the_weights_and_not_the_packaging(made, tmp_path):
    made.save_pretrained(tmp_path)
    again = type(made).from_pretrained(tmp_path).double()
    assert again.digest() == made.digest()
    before = again.digest()
    with torch.no_grad():
        again.projector[0].weight[0, 0] += 1e-9
    assert again.digest() != before
    changed = again.digest()
    again.config.positions = "layout"
    assert again.digest() not in (before, changed)


def test_chunks_are_compressed_as_the_whole(made):
    whole = made.compress(PIXELS)
    for chunk in (1, 3):
        parts = made.compress(PIXELS, chunk=chunk)
        assert parts.blocks == whole.blocks
        assert torch.equal(parts.positions, whole.positions)
        torch.testing.assert_close(parts.tensors(), whole.tensors(), rtol=1e-11, atol=1e-11)
