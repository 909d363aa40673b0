"""What may influence what: the rule's promises, held on the real forward."""

import pytest
import torch
from transformers import AttentionInterface

from tests.voco_model.worlds import MIXED, model, rows
from voco_model.attention import voco_attention
from voco_model.segments import Kind


class Recorder:
    """An attention function that records the VoCo tokens' keys and values, or holds them to a recording."""

    def __init__(self, kinds, held=None):
        self.voco = kinds == Kind.VOCO
        self.held = held
        self.seen = {}

    def __call__(self, module, query, key, value, *args, **options):
        at = self.voco[:, None, :, None]
        self.seen[module.layer_idx] = (key.detach().clone(), value.detach().clone())
        if self.held is not None:
            key, value = (
                torch.where(at, old, new)
                for old, new in zip(self.held[module.layer_idx], (key, value), strict=True)
            )
        return voco_attention(module, query, key, value, *args, **options)


def run(made, batch, pixels, held=None):
    """The one masked pass with a recorder in its attention: logits at text, and what was recorded."""
    recorder = Recorder(batch.kinds, held)
    AttentionInterface.register("recorder", recorder)
    made.language_model.set_attn_implementation("recorder")
    out = made(*batch, pixel_values=pixels, logits_at=batch.kinds == Kind.TEXT, mode="one_pass")
    return out.logits, recorder.seen


@pytest.fixture
def world():
    made = model(n_voco=4)
    batch = rows(MIXED, made.config.n_vision)
    return made, batch, batch.pixel_values.double(), torch.randn(batch.pixel_values.shape).double()


def test_text_does_not_change_by_a_bit_when_pixels_change_but_the_voco_keys_are_held(world):
    made, batch, pixels, others = world
    with torch.no_grad():
        logits, seen = run(made, batch, pixels)
        changed, _ = run(made, batch, others)
        held, _ = run(made, batch, others, held=seen)
    assert not torch.equal(changed, logits), "the picture must matter at all"
    assert torch.equal(held, logits)


def test_the_gradient_from_text_to_vision_flows_only_through_voco_tokens(world):
    made, batch, pixels, _ = world
    with torch.no_grad():
        _, seen = run(made, batch, pixels)
    free = pixels.clone().requires_grad_()
    run(made, batch, free)[0].pow(2).sum().backward()
    assert free.grad.abs().max() > 0
    held = pixels.clone().requires_grad_()
    run(made, batch, held, held=seen)[0].pow(2).sum().backward()
    assert held.grad.abs().max() == 0


def test_nothing_of_one_image_reaches_another_s_voco_tokens(world):
    made, batch, pixels, others = world
    changed = torch.cat([others[:1], pixels[1:]])
    with torch.no_grad():
        _, seen = run(made, batch, pixels)
        _, again = run(made, batch, changed)
    other_images = (batch.kinds == Kind.VOCO) & (batch.images != 0)
    first_image = (batch.kinds == Kind.VOCO) & (batch.images == 0)
    for layer, recorded in seen.items():
        for before, after in zip(recorded, again[layer], strict=True):
            assert torch.equal(before.transpose(1, 2)[other_images], after.transpose(1, 2)[other_images])
    assert not torch.equal(seen[1][0].transpose(1, 2)[first_image], again[1][0].transpose(1, 2)[first_image])


def alone(made, batch, row, left, right):
    """One row on its own, with padding of its own."""
    real = batch.kinds[row] != Kind.PAD
    parts = []
    for x, filler in ((batch.input_ids, 258), (batch.kinds, Kind.PAD), (batch.images, -1)):
        pad = [torch.full((n,), int(filler)) for n in (left, right)]
        parts.append(torch.cat([pad[0], x[row][real], pad[1]])[None])
    out = made(*parts, pixel_values=batch.pixel_values.double(), logits_at=parts[1] == Kind.TEXT)
    return out.logits


@pytest.mark.parametrize("positions", ["layout", "compact"])
def test_a_row_does_not_depend_on_its_mates_nor_on_padding(positions):
    made = model(n_voco=4, positions=positions)
    batch = rows(MIXED, made.config.n_vision, [(0, 3), (4, 0), (2, 2), (0, 0)])
    with torch.no_grad():
        together = made(
            *batch, pixel_values=batch.pixel_values.double(), logits_at=batch.kinds == Kind.TEXT
        ).logits
        counts = (batch.kinds == Kind.TEXT).sum(1).tolist()
        for row, expected in enumerate(together.split(counts)):
            for left, right in ((0, 0), (5, 0), (0, 5), (2, 3)):
                single = alone(made, batch, row, left, right)
                torch.testing.assert_close(single, expected, rtol=1e-12, atol=1e-12)


def test_padding_between_tokens_counts_for_nothing():
    made = model(n_voco=4)
    batch = rows([[("p", 1), ("i", 0, 2), ("t", 3)]], made.config.n_vision)
    wide = [torch.cat([x[:, :1], torch.full((1, 2), filler), x[:, 1:]], 1)
            for x, filler in zip(batch, (258, int(Kind.PAD), -1), strict=True)]  # fmt: skip
    with torch.no_grad():
        narrow, padded = (
            made(*x, pixel_values=batch.pixel_values.double(), logits_at=x[1] == Kind.TEXT).logits
            for x in (list(batch), wide)
        )
    torch.testing.assert_close(padded, narrow, rtol=1e-12, atol=1e-12)
