"""What stands at each position of a sequence: token embeddings, and at the images' places what the tower gives."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from voco_model.config import VocoConfig
from voco_model.pixels import prepared
from voco_model.plan import Batch, Gathered
from voco_model.segments import Kind

PICTURE_DIM = 4
"""Of pixel values, (images, colours, height, width); the tower's features have one less."""


@dataclass
class ImageEmbeds:
    """What stands at the images' places: (images, tokens, width) each."""

    vision: Tensor
    voco: Tensor


class VocoEmbedding:
    """The part of the model below its decoder."""

    config: VocoConfig
    dtype: torch.dtype
    get_input_embeddings: Any
    vision_tower: nn.Module
    projector: nn.Module | None
    compressor: nn.Module | None

    def vision_features(self, pixel_values: Tensor) -> Tensor:
        """What the tower says of each picture, (images, tokens, width); features made before are passed on."""
        if pixel_values.dim() == PICTURE_DIM:
            return self.vision_tower(prepared(pixel_values).to(self.dtype))
        return pixel_values.to(self.dtype)

    def embed_images(self, pixel_values: Tensor, n_voco: int | None = None) -> ImageEmbeds:
        """Pixel values, bytes, or the tower's features of them, to what stands at the vision and VoCo places."""
        config = self.config
        features = self.vision_features(pixel_values)
        n_images, width = features.shape[0], config.text_config.hidden_size
        vision = features.new_empty(n_images, 0, width)
        if self.projector is not None:
            vision = self.projector(features)
            if config.vision_suffix_ids:
                suffix = torch.tensor(config.vision_suffix_ids, device=vision.device)
                closing = self.get_input_embeddings()(suffix).expand(n_images, -1, -1)
                vision = torch.cat([vision, closing], 1)
        voco = features.new_empty(n_images, 0, width)
        if self.compressor is not None:
            voco = self.compressor(features, config.n_voco if n_voco is None else n_voco)
        return ImageEmbeds(vision, voco)

    def embed(self, at: Gathered | Batch, images: ImageEmbeds | None) -> Tensor:
        """(rows, length, width): token embeddings, and the images' own at their places."""
        kinds, numbers = at.segments
        is_text = (kinds == Kind.TEXT) | (kinds == Kind.PREFIX)
        embeds = self.get_input_embeddings()(at.ids.masked_fill(~is_text, 0))
        if images is None:
            return embeds
        embeds = embeds.clone()
        for kind, source in ((Kind.VISION, images.vision), (Kind.VOCO, images.voco)):
            here = kinds == kind
            if here.any():
                embeds[here] = source[numbers[here].long(), at.ordinals[here]].to(embeds.dtype)
        return embeds
