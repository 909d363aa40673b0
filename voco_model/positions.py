"""Position numbers of a sequence, in the scheme that a checkpoint was trained with.

`layout` numbers the whole sequence, as the reference does: an image costs all its vision positions.
`compact` numbers it as if the vision tokens were not there; an image's vision tokens take the positions just
before its VoCo tokens. Rotary positions are relative, so these may be negative and may overlap between images,
and a video of thousands of frames stays inside the window.
"""

import torch
from torch import Tensor

from voco_model.segments import Kind, Segments


def position_ids(segments: Segments, scheme: str) -> Tensor:
    """(rows, length) position numbers; padding gets 0 and counts for nothing, wherever it stands."""
    real = segments.kinds != Kind.PAD
    if scheme == "layout":
        return (real.cumsum(1) - 1).masked_fill(~real, 0)
    vision = segments.kinds == Kind.VISION
    counted = real & ~vision
    before = counted.cumsum(1) - counted.long()
    positions = torch.where(vision, before - _left_in_run(segments, vision), before)
    return positions.masked_fill(~real, 0)


def _left_in_run(segments: Segments, vision: Tensor) -> Tensor:
    """How many vision tokens of the same image stand at or after each vision position."""
    flipped = Segments(segments.kinds.flip(1), segments.images.flip(1))
    return (flipped.ordinals().flip(1) + 1).masked_fill(~vision, 0)


def extent(positions: Tensor) -> int:
    """How many positions of a model's window the rows need."""
    return int(positions.max()) + 1 if positions.numel() else 0
