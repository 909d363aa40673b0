"""Attention from VoCo tokens to patches, held to one written out by hand in float64."""

import pytest
import torch

from tests.voco_model.worlds import model
from voco_model.evaluation.attention_maps import has_patches, patches_of, voco_attention
from voco_model.rotary import inverse_frequencies

PREFIX, IMAGES, N = [256], 2, 3


def pixels(made, seed: int = 0):
    size = made.config.vision_config.image_size
    return torch.randn(IMAGES, 3, size, size, generator=torch.Generator().manual_seed(seed)).double()


def turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def by_hand(made, pixel_values, n_voco: int, prefix: list[int], place: int) -> list[torch.Tensor]:
    """Every layer's attention, (images, heads, all, all), from the layers' weights alone."""
    seen = made.embed_images(pixel_values, n_voco)
    start = made.get_input_embeddings()(torch.tensor(prefix)).expand(len(pixel_values), -1, -1)
    hidden = torch.cat([start, seen.vision, seen.voco], 1)
    n_vision = seen.vision.shape[1]
    behind = torch.arange(place - n_vision, place + n_voco)
    angles = torch.cat([torch.arange(len(prefix)), behind])[:, None] * inverse_frequencies(made.language_model)
    cos, sin = (torch.cat([f(angles), f(angles)], -1).double() for f in (torch.cos, torch.sin))
    found = []
    for layer in made.get_decoder().layers:
        attention, x = layer.self_attn, layer.input_layernorm(hidden)
        q, k, v = (
            one(x).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
            for one in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        q, k = (turned(y, cos, sin) for y in (q, k))
        k, v = (y.repeat_interleave(q.shape[1] // y.shape[1], 1) for y in (k, v))
        scores = q @ k.transpose(-1, -2) / attention.head_dim**0.5
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        weights = scores.masked_fill(later, -torch.inf).softmax(-1)
        found.append(weights)
        hidden = hidden + attention.o_proj((weights @ v).transpose(1, 2).flatten(2))
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
    return found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"positions": "layout"},
        {"vision_suffix_ids": [13, 10]},
        {"vision_feature_select_strategy": "full"},
    ],
)
@torch.no_grad()
def test_it_is_what_the_layers_compute(options):
    made = model(n_voco=4, **options)
    place = 1 + made.config.n_vision
    found = voco_attention(made, pixels(made), N, prefix_ids=PREFIX, place=place)
    n_patches = made.config.n_patches
    assert found.shape == (IMAGES, 3, N, n_patches)
    own = patches_of(made.config)
    skipped = "vision_feature_select_strategy" in options
    assert (own.start, own.stop) == (int(skipped), int(skipped) + n_patches)
    naive = by_hand(made, pixels(made), N, PREFIX, place)
    wanted = torch.stack([one[:, :, -N:, 1 + own.start : 1 + own.stop].mean(1) for one in naive], 1)
    torch.testing.assert_close(found.double(), wanted, atol=1e-6, rtol=1e-5)
    rest = torch.stack([one[:, :, -N:].sum(-1).mean(1) for one in naive], 1) - wanted.sum(-1)
    torch.testing.assert_close(found.double().sum(-1) + rest, torch.ones(IMAGES, 3, N).double(), atol=1e-6, rtol=0)
    assert float(wanted.std()) > 1e-3, "attention that is all alike would hide a wrong order"


@torch.no_grad()
def test_it_leaves_the_model_as_it_was():
    made = model(n_voco=4)
    before, name = made.compress(pixels(made), 4, prefix_ids=PREFIX).tensors()[0], made.digest()
    more = voco_attention(made, pixels(made), 4, prefix_ids=PREFIX, place=1)
    assert torch.equal(made.compress(pixels(made), 4, prefix_ids=PREFIX).tensors()[0], before)
    assert made.digest() == name
    assert not any(layer.self_attn._forward_hooks for layer in made.get_decoder().layers)
    fewer = voco_attention(made, pixels(made), 1, prefix_ids=PREFIX, place=1)
    torch.testing.assert_close(fewer, more[:, :, :1], atol=1e-6, rtol=0)


def test_a_baseline_looks_before_the_language_model():
    assert has_patches(model().config)
    assert not has_patches(model(compressor="avgpool", n_voco=1).config)
