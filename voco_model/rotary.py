"""Moving keys: rotary positions are relative, so a cached key is moved by rotating it further."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from voco_model.decoder import Decoder, _only_keys
from voco_model.errors import VocoError


def rotate(keys: Tensor, steps: Tensor, inverse_frequencies: Tensor) -> Tensor:
    """Keys (..., tokens, size) moved by `steps` positions each, (tokens,).

    Pairs are (i, i + half) of the first 2 * len(inverse_frequencies) entries, as in every Llama-like decoder.
    """
    angle = steps[:, None].double() * inverse_frequencies.double()
    cos, sin = angle.cos().to(keys.dtype), angle.sin().to(keys.dtype)
    half = inverse_frequencies.shape[0]
    first, second, rest = keys[..., :half], keys[..., half : 2 * half], keys[..., 2 * half :]
    return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)


@torch.no_grad()
def inverse_frequencies(language_model: PreTrainedModel) -> Tensor:
    """The decoder's rotary frequencies, after proving on its own first layer that `rotate` moves its keys."""
    decoder = Decoder(language_model)
    frequencies = decoder.rotary.inv_freq.detach().float()
    if frequencies.is_meta:
        return frequencies
    device = frequencies.device
    probe = decoder.embeddings(torch.arange(1, 2, device=device)[None])
    here, there = (
        _only_keys(decoder.layers[0], probe, *decoder.rotary(probe, torch.full((1, 1), at, device=device)))[0]
        for at in (0, 7)
    )
    moved = rotate(here.float(), torch.full((1,), 7, device=device), frequencies)
    tolerance = 16 * torch.finfo(here.dtype).eps * float(here.abs().max())
    if not torch.allclose(moved, there.float(), atol=max(tolerance, 1e-4 * float(here.abs().max()))):
        raise VocoError(
            f"decoder type '{language_model.config.model_type}' rotates its keys in another way;"
            " its cached keys could not be moved"
        )
    return frequencies
