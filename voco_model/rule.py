"""The rule: who sees whom. The only place where it is written; every mask is made from it.

Causality and padding, and then
- a vision token sees the prefix and its own image's vision tokens;
- a VoCo token sees the prefix, its own image's vision tokens and its own image's earlier VoCo tokens;
- a text token sees the prefix (an option), every earlier VoCo token and every earlier text token.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from voco_model.segments import Kind, Segments

# Plain integers: FlexAttention's tracing compares a tensor with an IntEnum member wrongly, and says nothing.
PAD, PREFIX, VISION, VOCO, TEXT = (int(kind) for kind in Kind)


class Token(NamedTuple):
    """Kind, image number and column of one or many positions: whatever shapes broadcast together."""

    kind: Tensor
    image: Tensor
    column: Tensor


def sees(query: Token, key: Token, prefix_visible: bool = True) -> Tensor:
    """Whether each query position sees each key position under the compression rule."""
    own_image = query.image == key.image
    q_image = (query.kind == VISION) | (query.kind == VOCO)
    q_text = query.kind == TEXT
    q_prefix = query.kind == PREFIX
    prefix = (key.kind == PREFIX) & (q_image | q_prefix | (q_text & prefix_visible))
    vision = (key.kind == VISION) & own_image & q_image
    voco = (key.kind == VOCO) & (((query.kind == VOCO) & own_image) | q_text)
    text = (key.kind == TEXT) & q_text
    return ((key.column <= query.column) & (prefix | vision | voco | text)) | (key.column == query.column)


def sees_causally(query: Token, key: Token) -> Tensor:
    """Plain causal attention over everything that is not padding: the uncompressed reading."""
    real = (query.kind != PAD) & (key.kind != PAD)
    return ((key.column <= query.column) & real) | (key.column == query.column)


def sees_under(reading: str, query: Token, key: Token, prefix_visible: bool) -> Tensor:
    """`sees` or `sees_causally`, by the name of the reading: "rule" or "causal"."""
    return sees(query, key, prefix_visible) if reading == "rule" else sees_causally(query, key)


def tokens(segments: Segments, columns: Tensor | None = None) -> Token:
    """The positions of a batch as `Token`, (rows, length) each; columns run along the row by default."""
    if columns is None:
        columns = torch.arange(segments.kinds.shape[1], device=segments.kinds.device).expand_as(segments.kinds)
    return Token(segments.kinds, segments.images, columns)


def boolean_mask(queries: Token, keys: Token, prefix_visible: bool = True, reading: str = "rule") -> Tensor:
    """(rows, 1, queries, keys), true where a query may look."""
    q = Token(*(x[:, None, :, None] for x in queries))
    k = Token(*(x[:, None, None, :] for x in keys))
    return sees_under(reading, q, k, prefix_visible)


def additive_mask(
    queries: Token,
    keys: Token,
    dtype: torch.dtype,
    prefix_visible: bool = True,
    reading: str = "rule",
) -> Tensor:
    """The mask that is added to attention scores: 0 where a query may look, the dtype's minimum elsewhere.

    Right on every attention implementation; a boolean one is silently misread by the eager one.
    """
    seen = boolean_mask(queries, keys, prefix_visible, reading)
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)


def block_mask(segments: Segments, prefix_visible: bool = True, reading: str = "rule") -> BlockMask:
    """The rule for FlexAttention, which skips blocks that nobody sees."""
    kinds, images = segments

    def rule(batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        query = Token(kinds[batch, q], images[batch, q], q)
        key = Token(kinds[batch, k], images[batch, k], k)
        return sees_under(reading, query, key, prefix_visible)

    rows, length = kinds.shape
    return create_block_mask(rule, rows, None, length, length, device=str(kinds.device))
