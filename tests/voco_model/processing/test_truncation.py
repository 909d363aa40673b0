"""Truncation never cuts a block, and leaves the model its place."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voco_model.processing.conversations import BLUE, RED, chat, processor
from tests.voco_model.worlds import model
from voco_model.errors import VocoError
from voco_model.segments import Kind, find_blocks


@given(st.integers(1, 90), st.sampled_from(["layout", "compact"]))
@settings(max_examples=80, deadline=None)
def test_truncation_never_cuts_a_block(limit, positions):
    made = processor("vicuna_v1", positions=positions)
    template = "short"
    conversation = [chat("see <image> and", "yes", "then <image>\nwhat", "long answer")]
    whole = made(conversation, [[RED, BLUE]], labels=True, template=template)
    cut = made(
        conversation,
        [[RED, BLUE]],
        labels=True,
        template=template,
        max_length=limit,
        truncation=True,
        return_truncated=True,
    )
    n = cut["input_ids"].shape[1]
    for name in ("input_ids", "kinds", "images", "labels"):
        assert torch.equal(cut[name], whole[name][:, :n]), "a beginning of the whole"
    counted = cut["kinds"] != Kind.VISION if positions == "compact" else torch.ones_like(cut["kinds"])
    assert int(counted.sum()) <= limit
    assert bool(cut["truncated"][0]) == (n < whole["input_ids"].shape[1])
    blocks = find_blocks(cut["kinds"].numpy(), cut["images"].numpy())
    assert all((len(b.vision), len(b.voco)) == (16, 4) for b in blocks)
    assert len(cut.get("pixel_values", [])) == len(blocks)


def test_truncation_inside_a_long_answer_leaves_the_model_its_place():
    """The reference finds its tokens by counting from the end, which truncation moves."""
    made, pro = model(n_voco=4), processor()
    long, short = (
        pro([chat("<image>\nq", "a" * 50)], [[RED]], labels=True, max_length=limit, truncation=True)
        for limit in (200, 30)
    )
    n = int((short["labels"] != -100).sum())
    with torch.no_grad():
        of_long, of_short = (
            made(
                x["input_ids"], x["kinds"], x["images"], pixel_values=x["pixel_values"], labels=x["labels"]
            ).logits
            for x in (long, short)
        )
    torch.testing.assert_close(of_short, of_long[:n], rtol=1e-10, atol=1e-10)


def test_a_truncated_batch_is_one_that_the_model_takes():
    made, pro = model(n_voco=4), processor()
    batch = pro([chat("<image>\nq", "a" * 50)], [[RED]], labels=True, max_length=30, truncation=True)
    assert float(made(**batch).loss) > 0
    nothing_left = pro([chat("<image>\nq", "a" * 50)], [[RED]], labels=True, max_length=8, truncation=True)
    assert float(made(**nothing_left).loss) == 0
    with pytest.raises(VocoError, match="limit of 0 positions"):
        pro(["q"], max_length=0)
