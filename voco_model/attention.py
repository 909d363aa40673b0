"""The attention function behind Hugging Face's interface: one door to the fused kernels.

`attention_mask` may be nothing (plain causal), an additive mask, or a FlexAttention block mask.
"""

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from voco_model.errors import VocoError

NAME = "voco"
CHANGES_SCORES = ("softcap", "s_aux", "position_bias", "head_mask")
"""What some decoders hand to their attention beside the mask, and the fused kernels do not take."""


@functools.cache
def _compiled_flex() -> Any:
    return torch.compile(flex_attention, dynamic=False)


def voco_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | BlockMask | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, None]:
    """(rows, heads, queries, size) in, (rows, queries, heads, size) out."""
    ignored = [name for name in CHANGES_SCORES if others.get(name) is not None]
    if ignored:
        raise VocoError(
            f"this decoder's attention uses {', '.join(ignored)}, which is not computed here; choose another"
        )
    if isinstance(attention_mask, BlockMask):
        grouped = query.shape[1] != key.shape[1]
        flex = _compiled_flex() if query.is_cuda else flex_attention
        out = flex(query, key, value, block_mask=attention_mask, scale=scaling, enable_gqa=grouped)
        return out.transpose(1, 2).contiguous(), None
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and attention_mask is not None:  # with a mask, the fused kernels want as many key heads
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    out = F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=attention_mask,
        dropout_p=dropout,
        is_causal=attention_mask is None and query.shape[2] > 1,
        scale=scaling,
        enable_gqa=groups > 1 and attention_mask is None,
    )
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, voco_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
