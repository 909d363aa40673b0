"""Where VoCo tokens look: how much attention each pays to every patch of its picture, layer by layer.

    weights = voco_attention(model, pixels, 2, prefix_ids=[1], place=1)   # (images, layers, VoCo tokens, patches)
    weights.sum(-1)                                                       # what a token gives to the picture, of 1

The rest of a token's attention goes to the prefix, to the class token and closing tokens where the model has them,
and to the VoCo tokens before it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voco_model.config import VocoConfig
from voco_model.model import VocoForConditionalGeneration
from voco_model.plan import pad
from voco_model.rule import additive_mask, tokens

EAGER = "eager"
"""The only attention of Hugging Face's that gives its weights."""


def has_patches(config: VocoConfig) -> bool:
    """Whether VoCo tokens look at a picture inside the language model; the baselines' do before it."""
    return config.compressor == "voco" and config.n_patches > 0


def patches_of(config: VocoConfig) -> slice:
    """Where the patches stand among the vision tokens: behind a class token, before closing tokens."""
    start = config.n_vision - len(config.vision_suffix_ids) - config.n_patches
    return slice(start, start + config.n_patches)


@torch.no_grad()
def voco_attention(
    model: VocoForConditionalGeneration,
    pixel_values: Tensor,
    n_voco: int | None,
    *,
    prefix_ids: list[int],
    place: int,
) -> Tensor:
    """(images, layers, VoCo tokens, patches): phase 1's attention from VoCo tokens to patches, the heads' mean.

    prefix_ids, place: as for `model.compress`.
    """
    n_voco = model.check_n_voco(n_voco)
    batch = model.image_rows(len(pixel_values), n_voco, prefix_ids, place, -n_voco)
    embeds = model.embed(batch, model.embed_images(pixel_values.to(model.device), n_voco))
    decoder = model.decoder  # before attention is switched: it would refuse
    length = embeds.shape[1]
    wanted = pad([np.arange(length - n_voco, length)] * len(embeds)).to(embeds.device)
    token = tokens(batch.segments)
    mask = additive_mask(token, token, embeds.dtype, True, "causal")
    patches = patches_of(model.config)
    own = slice(len(prefix_ids) + patches.start, len(prefix_ids) + patches.stop)
    with _kept(model, lambda weights: weights[:, :, -n_voco:, own].float().mean(1).cpu()) as seen:
        decoder.run(embeds, batch.positions, mask, read=wanted)
    return torch.stack(seen, 1)


@contextmanager
def _kept(model: VocoForConditionalGeneration, part: Callable[[Tensor], Tensor]) -> Iterator[list[Tensor]]:
    """The list that the wanted part of each layer's attention is added to while the block runs.

    Whole, the weights of all layers together would be gigabytes for a large model.
    """
    seen: list[Tensor] = []
    layers: Any = model.get_decoder().layers
    before = model.language_model.config._attn_implementation

    def keep(module: Any, given: Any, out: tuple[Tensor, Tensor]) -> None:
        seen.append(part(out[1]))

    hooks = [layer.self_attn.register_forward_hook(keep) for layer in layers]
    model.language_model.set_attn_implementation(EAGER)
    try:
        yield seen
    finally:
        model.language_model.set_attn_implementation(before)
        for hook in hooks:
            hook.remove()
