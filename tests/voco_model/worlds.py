"""Tiny models and batches for the tests, over every shape that the method must get right."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from voco_model.config import VocoConfig, preset
from voco_model.model import VocoForConditionalGeneration
from voco_model.segments import NO_IMAGE, Kind

DECODERS = {"llama": LlamaConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config, "mistral": MistralConfig}


def config(decoder: str = "llama", layers: int = 3, **overrides) -> VocoConfig:
    """The tiny preset on another decoder."""
    text = DECODERS[decoder](
        vocab_size=264,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=16384,
        bos_token_id=256,
        eos_token_id=257,
        pad_token_id=258,
    )
    return preset("tiny", text_config=text, **overrides)


def model(decoder: str = "llama", dtype: torch.dtype = torch.float64, **overrides) -> VocoForConditionalGeneration:
    """A tiny model with weights large enough that attention matters."""
    torch.manual_seed(0)
    made = VocoForConditionalGeneration(config(decoder, **overrides))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
            elif "norm" not in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
    made = made.to(dtype).eval()
    return exact_norms(made) if dtype == torch.float64 else made


def exact_norms(model: nn.Module) -> nn.Module:
    """The decoders' norms round to float32 inside, whatever the model's type; here they do not.

    Without this, no float64 comparison of gradients can be finer than float32's rounding.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if "RMSNorm" in type(child).__name__ and not isinstance(child, nn.RMSNorm):
                norm = nn.RMSNorm(child.weight.shape[0], eps=child.variance_epsilon, dtype=torch.float64)
                norm.weight = child.weight
                setattr(parent, name, norm)
    return model


@dataclass
class Rows:
    """A padded batch with everything wanted that can be."""

    input_ids: Tensor
    kinds: Tensor
    images: Tensor
    pixel_values: Tensor

    def __iter__(self):
        return iter((self.input_ids, self.kinds, self.images))


Part = tuple[str, int]


def rows(
    specs: list[list], n_vision: int, pads: list[tuple[int, int]] | None = None, seed: int = 0, size: int = 32
) -> Rows:
    """Rows from parts: `("p", n)` prefix, `("t", n)` text, `("i", image, n_voco)` an image's block."""
    generator = torch.Generator().manual_seed(seed)
    laid = []
    for spec in specs:
        kinds, images = [], []
        for part in spec:
            if part[0] == "i":
                kinds += [Kind.VISION] * n_vision + [Kind.VOCO] * part[2]
                images += [part[1]] * (n_vision + part[2])
            else:
                kinds += [{"p": Kind.PREFIX, "t": Kind.TEXT}[part[0]]] * part[1]
                images += [NO_IMAGE] * part[1]
        ids = torch.randint(0, 256, (len(kinds),), generator=generator).tolist()
        laid.append((ids, [int(k) for k in kinds], images))
    pads = pads or [(0, 0)] * len(laid)
    length = max(len(x[0]) + sum(pad) for x, pad in zip(laid, pads, strict=True))
    tensors = []
    for column, filler in enumerate((258, int(Kind.PAD), NO_IMAGE)):
        out = torch.full((len(laid), length), filler)
        for k, (row, (left, _)) in enumerate(zip(laid, pads, strict=True)):
            out[k, left : left + len(row[0])] = torch.tensor(row[column], dtype=torch.long)
        tensors.append(out)
    n_images = 1 + max((part[1] for spec in specs for part in spec if part[0] == "i"), default=-1)
    pixels = torch.randn(max(n_images, 1), 3, size, size, generator=generator)
    return Rows(*tensors, pixels)


MIXED = [
    [("p", 1), ("t", 2), ("i", 0, 4), ("t", 5), ("i", 1, 4), ("t", 3)],
    [("p", 1), ("t", 7)],
    [("p", 1), ("i", 0, 4), ("t", 4)],
    [("p", 1), ("i", 2, 3), ("i", 1, 2), ("t", 2), ("i", 3, 4)],
]
"""Two images with text between; text only; an image shared with another row; unequal token counts, image last."""
MIXED_PADS = [(0, 2), (3, 0), (5, 1), (0, 0)]
