"""The rule against its plain-words oracle, and all its masks against one another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.nn.attention.flex_attention import flex_attention

from voco_model.errors import VocoError
from voco_model.mask_picture import as_image, as_text, example_row, mask_of
from voco_model.rule import additive_mask, block_mask, boolean_mask, tokens
from voco_model.segments import NO_IMAGE, Kind, Segments, find_blocks


@st.composite
def segment_rows(draw) -> list[tuple[Kind, int]]:
    row = [(Kind.PREFIX, NO_IMAGE)] * draw(st.integers(0, 2))
    for image in range(draw(st.integers(0, 3))):
        row += [(Kind.TEXT, NO_IMAGE)] * draw(st.integers(0, 3))
        row += [(Kind.VISION, image)] * draw(st.integers(0, 4)) + [(Kind.VOCO, image)] * draw(st.integers(1, 3))
    row += [(Kind.TEXT, NO_IMAGE)] * draw(st.integers(0, 3))
    left, right = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    return [(Kind.PAD, NO_IMAGE)] * left + row + [(Kind.PAD, NO_IMAGE)] * right


def segments(*lists) -> Segments:
    width = max(len(row) for row in lists)
    padded = [row + [(Kind.PAD, NO_IMAGE)] * (width - len(row)) for row in lists]
    return Segments(
        torch.tensor([[int(k) for k, _ in row] for row in padded]),
        torch.tensor([[n for _, n in row] for row in padded]),
    )


def oracle(query, key, q, k, prefix_visible) -> bool:
    """The rule, once more, in words."""
    (q_kind, q_image), (k_kind, k_image) = query, key
    if q == k:
        return True
    if k > q or Kind.PAD in (q_kind, k_kind):
        return False
    match q_kind:
        case Kind.PREFIX:
            return k_kind == Kind.PREFIX
        case Kind.VISION:
            return k_kind == Kind.PREFIX or (k_kind == Kind.VISION and k_image == q_image)
        case Kind.VOCO:
            return k_kind == Kind.PREFIX or (k_kind in (Kind.VISION, Kind.VOCO) and k_image == q_image)
        case Kind.TEXT:
            return k_kind in (Kind.VOCO, Kind.TEXT) or (k_kind == Kind.PREFIX and prefix_visible)


@given(segment_rows(), st.booleans())
def test_the_rule_says_what_its_words_say(row, prefix_visible):
    if not row:
        return
    at = tokens(segments(row))
    mask = boolean_mask(at, at, prefix_visible)[0, 0]
    for q, query in enumerate(row):
        for k, key in enumerate(row):
            assert mask[q, k] == oracle(query, key, q, k, prefix_visible), (query, key, q, k)


@given(segment_rows())
def test_text_never_sees_vision_and_no_image_reaches_another(row):
    if not row:
        return
    at = tokens(segments(row))
    mask = boolean_mask(at, at)[0, 0]
    for q, (q_kind, q_image) in enumerate(row):
        for k, (k_kind, k_image) in enumerate(row):
            if q_kind == Kind.TEXT and k_kind == Kind.VISION:
                assert not mask[q, k]
            if NO_IMAGE not in (q_image, k_image) and q_image != k_image:
                assert not mask[q, k]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(segment_rows().filter(bool), min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from(["rule", "causal"]),
)
def test_every_mask_gives_the_same_attention(lists, prefix_visible, reading):
    batch = segments(*lists)
    at = tokens(batch)
    torch.manual_seed(0)
    x = torch.randn(len(lists), 2, batch.kinds.shape[1], 16)
    seen = boolean_mask(at, at, prefix_visible, reading)
    plain = F.scaled_dot_product_attention(x, x, x, attn_mask=seen)
    added = F.scaled_dot_product_attention(
        x, x, x, attn_mask=additive_mask(at, at, x.dtype, prefix_visible, reading)
    )
    block = flex_attention(x, x, x, block_mask=block_mask(batch, prefix_visible, reading))
    torch.testing.assert_close(added, plain)
    torch.testing.assert_close(block, plain)


def test_no_row_of_a_mask_is_empty():
    batch = segments([(Kind.PAD, NO_IMAGE)] * 3, [(Kind.TEXT, NO_IMAGE)])
    at = tokens(batch)
    assert boolean_mask(at, at).any(-1).all()


def test_limiting_keeps_each_images_first_tokens():
    row = [(Kind.PREFIX, -1), (Kind.VISION, 0), *[(Kind.VOCO, 0)] * 3, (Kind.TEXT, -1), *[(Kind.VOCO, 1)] * 2]
    kinds = segments(row).limited(1).kinds[0].tolist()
    assert kinds == [Kind.PREFIX, Kind.VISION, Kind.VOCO, Kind.PAD, Kind.PAD, Kind.TEXT, Kind.VOCO, Kind.PAD]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([(Kind.TEXT, -1), (Kind.PREFIX, -1)], "row 0: prefix tokens stand after"),
        ([(Kind.VISION, -1)], "belongs to no image"),
        ([(Kind.VOCO, 0), (Kind.TEXT, -1), (Kind.VOCO, 0)], "something stands inside the block of image 0"),
        ([(Kind.VISION, 0), (Kind.PAD, -1), (Kind.VISION, 0)], "something stands inside the block of image 0"),
        ([(Kind.VOCO, 0), (Kind.VOCO, 1), (Kind.VOCO, 0)], "image 0 has two blocks"),
        ([(Kind.VOCO, 0), (Kind.VISION, 0)], "vision tokens after its VoCo tokens"),
    ],
)
def test_segments_that_are_not_whole_are_refused(row, message):
    kinds, images = segments(row)
    with pytest.raises(VocoError, match=message):
        find_blocks(kinds.numpy(), images.numpy())


def test_the_picture_shows_the_mask(tmp_path):
    row = example_row("p1 v2 c1 t1 v2 c1 t1")
    mask = mask_of(row)
    lines = as_text(row, mask).splitlines()
    assert lines[1] == "   PvvVtvvVt"
    assert lines[-3] == "t  █··██··██"
    from PIL import Image

    picture = Image.open(as_image(row, mask, tmp_path / "mask.png"))
    assert picture.width >= 400
    assert len(picture.getcolors(1 << 20)) > 5


@pytest.mark.parametrize("spec", ["x3", "p", "v-1", "t9999", ""])
def test_a_row_that_is_no_row_is_refused(spec):
    if spec == "p":
        assert example_row(spec).kinds.tolist() == [[Kind.PREFIX]]
        return
    with pytest.raises(VocoError):
        example_row(spec)
