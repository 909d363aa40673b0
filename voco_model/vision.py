"""From pixels to what stands in the sequence: the tower, the projector, and the compressors.

A compressor says what fills an image's VoCo places. `voco` fills them with learned embeddings and leaves the
compressing to the decoder; `avgpool` and `qformer` compress beforehand, outside it; `none` has no such places.
"""

import copy

import torch
from torch import Tensor, nn
from transformers import AutoModel, Blip2QFormerConfig

from voco_model.config import VocoConfig


class VisionTower(nn.Module):
    """A CLIP-like tower up to the layer that is read; the layers above it are never made."""

    def __init__(self, config: VocoConfig) -> None:
        super().__init__()
        needed = copy.deepcopy(config.vision_config)
        needed.num_hidden_layers = config.vision_depth
        self.tower = AutoModel.from_config(needed)
        self.n_patches = config.n_patches
        self.whole = config.vision_feature_select_strategy == "full"

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(images, 3, size, size) to (images, tokens, width)."""
        hidden = self.tower(pixel_values=pixel_values, output_hidden_states=True).hidden_states[-1]
        return hidden if self.whole else hidden[:, hidden.shape[1] - self.n_patches :]


def build_projector(config: VocoConfig) -> nn.Module:
    """Tower width to decoder width: one linear map, or two with a GELU between."""
    wide, narrow = config.vision_config.hidden_size, config.text_config.hidden_size
    if config.projector == "linear":
        return nn.Linear(wide, narrow)
    return nn.Sequential(nn.Linear(wide, narrow), nn.GELU(), nn.Linear(narrow, narrow))


class VocoTokens(nn.Module):
    """The learned tokens of the method: the same for every image; the decoder fills them."""

    def __init__(self, config: VocoConfig) -> None:
        super().__init__()
        self.n_voco = config.n_voco
        n_rows = 1 if config.voco_embedding == "shared" else config.n_voco
        self.embedding = nn.Embedding(n_rows, config.text_config.hidden_size)

    def forward(self, features: Tensor, n_voco: int) -> Tensor:
        """(images, ...) features, of which only the count is read, to (images, n_voco, width)."""
        rows = self.embedding.weight.expand(self.n_voco, -1)[:n_voco]
        # A mere view of a weight would ask for a gradient even where none is recorded.
        return rows.expand(features.shape[0], -1, -1).clone()


class AveragePool(nn.Module):
    """Baseline: the mean feature through one linear map, one token per image."""

    def __init__(self, config: VocoConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(config.vision_config.hidden_size, config.text_config.hidden_size)

    def forward(self, features: Tensor, n_voco: int) -> Tensor:
        return self.linear(features.mean(1, keepdim=True))[:, :n_voco]


class QFormer(nn.Module):
    """Baseline: N learned queries that attend to the features, as in BLIP-2, and a linear map."""

    def __init__(self, config: VocoConfig) -> None:
        super().__init__()
        qformer = copy.deepcopy(config.qformer_config) or _default_qformer(config)
        qformer.encoder_hidden_size = config.vision_config.hidden_size
        self.queries = nn.Parameter(torch.zeros(config.n_voco, qformer.hidden_size))
        self.qformer = AutoModel.from_config(qformer)
        self.linear = nn.Linear(qformer.hidden_size, config.text_config.hidden_size)

    def forward(self, features: Tensor, n_voco: int) -> Tensor:
        # All queries, whatever n: they attend to each other, and an image's first tokens shall not depend on n.
        queries = self.queries.expand(features.shape[0], -1, -1)
        out = self.qformer(query_embeds=queries, encoder_hidden_states=features)
        return self.linear(out.last_hidden_state[:, :n_voco])


def _default_qformer(config: VocoConfig) -> Blip2QFormerConfig:
    """A Q-Former as wide as the tower, two layers deep; training needs no dropout of its own."""
    width = config.vision_config.hidden_size
    return Blip2QFormerConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=2,
        num_attention_heads=config.vision_config.num_attention_heads,
        cross_attention_frequency=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        vocab_size=1,
    )


COMPRESSORS: dict[str, type[nn.Module]] = {"voco": VocoTokens, "avgpool": AveragePool, "qformer": QFormer}


def build_compressor(config: VocoConfig) -> nn.Module | None:
    """The compressor of the configuration; none where text reads the vision tokens themselves."""
    return COMPRESSORS[config.compressor](config) if config.compressor in COMPRESSORS else None
