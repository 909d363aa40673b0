"""How a batch's images are looked at: all together or few at a time, with gradient or without, or none at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed

from voco_model.config import VocoConfig
from voco_model.embedding import ImageEmbeds
from voco_model.errors import VocoError
from voco_model.plan import Batch, Gathered, Wanted
from voco_model.segments import NO_IMAGE, Kind, Segments
from voco_model.two_phase import Compressed, compress, opens_every_row


@dataclass
class Seen:
    """What the text of a batch is given of its images."""

    embeds: ImageEmbeds | None = None
    """What stands at the images' places, for text that reads it itself."""
    compressed: Compressed | None = None
    """The images' VoCo tokens, for text that reads those; read causally, their vision tokens too."""
    nothing: Tensor | None = None
    """A zero with every weight that sees in its history, for `always_see`."""


class VocoSeeing:
    """The part of the forward that looks at pictures. Its options are set on the living model, and not saved."""

    frames_at_once: int | None = None
    """How many images are looked at and compressed together; None for all of a batch's. Their activations are made
    again in the backward pass, so that memory is bounded by this number and not by a video's frames."""
    stop_gradient_at_caches: bool = False
    """Whether compressed images are constants to the text that reads them; phase 2 alone is trained then."""
    always_see: bool = False
    """Whether every batch gives every weight a gradient: one without images looks at a blank one, to no effect."""
    same_passes: bool = False
    """Whether every batch also runs the same modules as often as any other, whatever it shows. Processes that
    share weights or gradients (ZeRO-3, DDP) need it: read causally, they then share no image among questions."""

    config: VocoConfig
    check_n_voco: Any
    decoder: Any
    device: torch.device
    embed: Any
    embed_images: Any

    def see(self, batch: Batch, pixel_values: Tensor | None, wanted: Wanted, reading: str) -> Seen:
        """The batch's images as the text wants them; of `wanted`, what lies inside images is read here."""
        if reading != "rule" and (self.same_passes or not batch.blocks or not opens_every_row(batch)):
            embeds = self.all_embeds(batch, pixel_values)
            blank = self._blank_embeds() if self.always_see and embeds is None else None
            return Seen(embeds, nothing=_zero([blank.vision, blank.voco]) if blank else None)
        constant = self.stop_gradient_at_caches and reading == "rule"
        with torch.set_grad_enabled(torch.is_grad_enabled() and not constant):
            return self._compressed(batch, pixel_values, wanted.inside_blocks(batch), reading)

    def all_embeds(self, batch: Batch, pixel_values: Tensor | None) -> ImageEmbeds | None:
        """What stands at the images' places; None where there are none."""
        return self._embeds(batch, _pictures(batch, pixel_values)) if batch.blocks else None

    def _embeds(self, batch: Batch, pictures: Tensor) -> ImageEmbeds:
        # Read causally, images may stand without VoCo tokens, as in alignment: one is made and not used.
        n_voco = max(len(block.voco) for block in batch.blocks) or min(1, self.config.n_voco)
        embeds: ImageEmbeds = self.embed_images(pictures, self.check_n_voco(n_voco))
        if any(len(block.vision) != embeds.vision.shape[1] for block in batch.blocks):
            raise VocoError(
                f"an image takes {embeds.vision.shape[1]} vision places, the batch has others;"
                " was it made by another model's processor?"
            )
        return embeds

    def _compressed(self, batch: Batch, pixel_values: Tensor | None, wanted: Wanted | None, reading: str) -> Seen:
        seen = Seen()
        if batch.blocks:
            pictures = _pictures(batch, pixel_values)
            embeds = self._embeds(batch, pictures) if self.frames_at_once is None else None

            def embed(at: Gathered) -> Tensor:
                return self.embed(at, embeds) if embeds else self._embed_shown(at, batch, pictures)

            if self.same_passes and wanted is None:  # or the last layer would run where an answer follows an image
                wanted = _last_token(batch)
            seen.compressed = compress(self.decoder, batch, embed, wanted, self.frames_at_once, reading)
        if self.always_see:
            seen.nothing = self._made_up(seen.compressed)
        return seen

    def _embed_shown(self, at: Gathered, batch: Batch, pictures: Tensor) -> Tensor:
        """The embeddings of some rows; only the pictures that they show are looked at."""
        numbers = at.segments.images
        shown = numbers[numbers != NO_IMAGE].unique()
        among_shown = Segments(at.segments.kinds, torch.searchsorted(shown, numbers))
        embeds = self._embeds(batch, pictures[shown.to(pictures.device)])
        return self.embed(replace(at, segments=among_shown), embeds)

    def _made_up(self, compressed: Compressed | None) -> Tensor:
        """Zero, from what was compressed and from as many blank images as make all processes compress as often."""
        passes, wanted = int(compressed is not None), 1
        if self.frames_at_once is not None:
            n_images = len(set(compressed.starts.values())) if compressed else 0
            passes = math.ceil(n_images / self.frames_at_once)
            wanted = _largest_anywhere(max(1, passes), self.device)
        both = [compressed] if compressed else []
        both += [self._blank() for _ in range(wanted - passes)]
        return _zero([x for c in both for pair in c.layers for x in pair] + [c.hidden for c in both])

    def _blank(self) -> Compressed:
        """A blank image, compressed."""
        n_vision, n_voco = self.config.n_vision, self.config.n_voco
        kinds = torch.tensor([[Kind.VISION] * n_vision + [Kind.VOCO] * n_voco], device=self.device)
        zeros = torch.zeros_like(kinds)
        batch = Batch.of(zeros, *Segments(kinds, zeros), self.config.positions, self.config.window)

        def embed(at: Gathered) -> Tensor:
            return self.embed(at, self._blank_embeds())

        return compress(self.decoder, batch, embed, _last_token(batch), self.frames_at_once)

    def _blank_embeds(self) -> ImageEmbeds:
        vision = self.config.vision_config
        pixels = torch.zeros(1, vision.num_channels, vision.image_size, vision.image_size, device=self.device)
        embeds: ImageEmbeds = self.embed_images(pixels)
        return embeds


def _pictures(batch: Batch, pixel_values: Tensor | None) -> Tensor:
    if pixel_values is None:
        raise VocoError("the rows show images, but neither pixel_values nor voco_caches were given")
    highest = max(block.image for block in batch.blocks)
    if highest >= len(pixel_values):
        raise VocoError(f"the rows show image {highest}, but {len(pixel_values)} pictures were given")
    return pixel_values


def _last_token(batch: Batch) -> Wanted:
    """The last place of the first image."""
    block = batch.blocks[0]
    return Wanted(np.array([block.row]), block.voco[-1:])


def _zero(values: Sequence[Tensor | None]) -> Tensor:
    return torch.stack([(x * 0).sum() for x in values if x is not None]).sum()


def _largest_anywhere(number: int, device: torch.device) -> int:
    """The largest of all processes' numbers."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return number
    shared = torch.tensor(number, device=device)
    distributed.all_reduce(shared, distributed.ReduceOp.MAX)
    return int(shared)
