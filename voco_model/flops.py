"""Floating-point operations: what a training step executes, and what the method cannot avoid.

A multiplication and an addition are two. Causal attention counts what a causal kernel computes, half the square.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from voco_model.config import VocoConfig

aten = torch.ops.aten
BACKWARD_MATMULS = 5 / 2
"""A fused attention backward does five products for the forward's two: it makes the scores anew."""


def _attention(query: Any, key: Any, value: Any, is_causal: bool) -> int:
    rows, heads, n_queries, size = query
    n_keys = key[2]
    pairs = n_queries * (n_queries + 1) // 2 if is_causal else n_queries * n_keys
    return 2 * rows * heads * pairs * (size + value[3])


def _cpu_forward(
    query: Any, key: Any, value: Any, dropout: float = 0.0, is_causal: bool = False, *_: Any, **__: Any
) -> int:
    return _attention(query, key, value, is_causal)


def _cpu_backward(
    grad: Any,
    query: Any,
    key: Any,
    value: Any,
    out: Any,
    lse: Any,
    dropout: float,
    is_causal: bool,
    *_: Any,
    **__: Any,
) -> int:
    return int(_attention(query, key, value, is_causal) * BACKWARD_MATMULS)


CUSTOM = {
    aten._scaled_dot_product_flash_attention_for_cpu: _cpu_forward,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _cpu_backward,
}


def executed(work: Callable[[], Any]) -> int:
    """Floating-point operations of matrix products and attention while `work` runs."""
    with FlopCounterMode(display=False, custom_mapping=CUSTOM) as counter:
        work()
    return int(counter.get_total_flops())


@dataclass(frozen=True)
class StepShape:
    """The sizes that a training step's cost follows from."""

    images: int
    """Distinct images."""
    rows: int
    """Questions."""
    prefix: int
    """Prefix tokens that an image sees."""
    text: int
    """Tokens of a question and its answer, prefix included."""
    labels: int
    """Tokens of an answer."""
    voco_seen: int
    """VoCo tokens that a question reads."""


def unavoidable_step(config: VocoConfig, shape: StepShape) -> int:
    """Forward and backward of one training step with a frozen tower, computing nothing that nobody reads."""
    decoder = _Decoder(config)
    forward = shape.images * decoder.compression(shape.prefix + config.n_vision, config.n_voco)
    forward += shape.rows * decoder.reading(shape.text, shape.labels, shape.voco_seen)
    projector = [p * shape.images * config.n_patches for p in _projector(config)]
    # The backward of a product is two, one for each factor; the first map's input comes from the frozen tower.
    trained = 3 * forward + 2 * projector[0] + 3 * sum(projector[1:])
    return shape.images * tower_forward(config) + trained


class _Decoder:
    """Forward operations of the decoder, by part."""

    def __init__(self, config: VocoConfig) -> None:
        text = config.text_config
        self.layers, self.width, self.vocabulary = text.num_hidden_layers, text.hidden_size, text.vocab_size
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        self.inner = text.num_attention_heads * size
        self.keys = 2 * 2 * self.width * text.num_key_value_heads * size
        """Making one row's keys and values."""
        self.rest = 2 * 2 * self.width * self.inner + 2 * 3 * self.width * text.intermediate_size
        """One row's query, output and feed-forward."""

    def attended(self, pairs: int) -> int:
        """Scores and sums of that many (query, key) pairs."""
        return 4 * self.inner * pairs

    def compression(self, before: int, n_voco: int) -> int:
        """Phase 1 of one image with `before` rows before its VoCo tokens."""
        rows = before + n_voco
        whole = rows * (self.keys + self.rest) + self.attended(rows * (rows + 1) // 2)
        voco_pairs = n_voco * before + n_voco * (n_voco + 1) // 2
        last_but_one = rows * self.keys + n_voco * self.rest + self.attended(voco_pairs)
        return (self.layers - 2) * whole + last_but_one + n_voco * self.keys

    def reading(self, text: int, labels: int, voco: int) -> int:
        """Phase 2 of one question, whose labels are its last tokens."""
        pairs = text * voco + text * (text + 1) // 2
        whole = text * (self.keys + self.rest) + self.attended(pairs)
        label_pairs = labels * voco + labels * (2 * text - labels - 1) // 2
        last = text * self.keys + labels * self.rest + self.attended(label_pairs)
        return (self.layers - 1) * whole + last + 2 * labels * self.width * self.vocabulary


def tower_forward(config: VocoConfig) -> int:
    """Forward of one picture through the layers of the tower that are read."""
    vision = config.vision_config
    width, tokens = vision.hidden_size, config.n_patches + 1
    layer = tokens * 2 * (4 * width * width + 2 * width * vision.intermediate_size) + 4 * width * tokens**2
    patches = 2 * config.n_patches * width * prod((3, vision.patch_size, vision.patch_size))
    return config.vision_depth * layer + patches


def _projector(config: VocoConfig) -> list[int]:
    """Forward of each of the projector's maps, for one token."""
    wide, narrow = config.vision_config.hidden_size, config.text_config.hidden_size
    maps = [2 * wide * narrow, 2 * narrow * narrow]
    return maps[:1] if config.projector == "linear" else maps
