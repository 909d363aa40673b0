"""int8 tensors with one scale for each head-sized vector.

A scale is one byte too: an eighth of an octave per step, rounded up so that nothing is clipped. That costs at
most 9 % of the resolution and keeps the scales below one hundredth of the bytes at a head size of 128.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from voco_model.errors import VocoError

STEPS_PER_OCTAVE = 8
LOWEST_OCTAVE = -20
"""Code 0 stands for 2**-20, code 255 for almost 2**12: more than any half-precision value needs."""


@dataclass(frozen=True, eq=False)
class Quantised:
    """`codes * scale`, the scale shared along the last dimension."""

    codes: Tensor
    """int8, (..., size)."""
    scales: Tensor
    """uint8 codes of the scales, (..., 1)."""
    dtype: torch.dtype
    """The type that it came from and goes back to."""

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self.scales.nbytes

    @property
    def shape(self) -> torch.Size:
        return self.codes.shape

    @property
    def device(self) -> torch.device:
        return self.codes.device

    def dequantised(self) -> Tensor:
        return (self.codes.float() * _decode(self.scales)).to(self.dtype)

    def to(self, device: torch.device | str) -> "Quantised":
        return replace(self, codes=self.codes.to(device), scales=self.scales.to(device))

    def __getitem__(self, index: Any) -> "Quantised":
        return replace(self, codes=self.codes[index], scales=self.scales[index])

    @staticmethod
    def cat(parts: list["Quantised"], dim: int) -> "Quantised":
        codes, scales = torch.cat([p.codes for p in parts], dim), torch.cat([p.scales for p in parts], dim)
        return replace(parts[0], codes=codes, scales=scales)


def quantise(x: Tensor) -> Quantised:
    """int8 codes of x, exact zero kept exact."""
    scales = _encode(x.detach().float().abs().amax(-1, keepdim=True) / 127)
    codes = (x.detach().float() / _decode(scales)).round().clamp(-127, 127).to(torch.int8)
    return Quantised(codes, scales, x.dtype)


def _encode(scale: Tensor) -> Tensor:
    octaves = scale.clamp(min=2.0**LOWEST_OCTAVE).log2() - LOWEST_OCTAVE
    code = (octaves * STEPS_PER_OCTAVE).ceil()
    if code.numel() and not float(code.max()) <= 255:
        raise VocoError(
            f"values as large as {127 * float(scale.max()):.3g} do not fit int8's scales; keep the cache plain"
        )
    return code.to(torch.uint8)


def _decode(code: Tensor) -> Tensor:
    return torch.exp2(code.float() / STEPS_PER_OCTAVE + LOWEST_OCTAVE)
