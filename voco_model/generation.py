"""Hugging Face's generation on top of a compressed prompt: only what differs from any other model."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import ModelOutput

from voco_model.config import VocoConfig
from voco_model.errors import VocoError

PROMPT_ONLY = (
    "kinds",
    "images",
    "pixel_values",
    "voco_caches",
    "n_voco",
    "mode",
    "reading",
    "attention_mask",
)
"""Inputs of the first step; later steps read what it kept."""


@dataclass
class VocoOutput(ModelOutput):
    """What a forward gives. `logits` are (wanted, vocabulary), or (rows, 1, vocabulary) without labels."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: DynamicCache | None = None
    visible: Tensor | None = None
    """(rows, keys) of `past_key_values`, which the next token sees."""
    next_positions: Tensor | None = None
    """(rows,) the position number of the next token."""


@dataclass
class Continuation:
    """What a next token needs of the tokens before it."""

    layers: list[tuple[Tensor, Tensor]]
    visible: Tensor
    next_positions: Tensor

    def into(self, cache: DynamicCache | None) -> DynamicCache:
        cache = DynamicCache() if cache is None else cache
        for number, (keys, values) in enumerate(self.layers):
            cache.update(keys, values, number)
        return cache


class VocoGeneration(GenerationMixin):
    """Greedy, sampling, beams, streaming and stopping are the library's; the first step compresses and reads."""

    config: VocoConfig
    dtype: torch.dtype
    language_model: Any

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        next_sequence_length: int | None = None,
        past_key_values: Any = None,
        is_first_iteration: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        inputs: dict[str, Any] = {"past_key_values": past_key_values, "use_cache": True}
        if kwargs.get("next_positions") is None:
            given = {name: kwargs[name] for name in PROMPT_ONLY if kwargs.get(name) is not None}
            return inputs | given | {"input_ids": input_ids}
        kept = {name: kwargs[name] for name in ("visible", "next_positions")}
        return inputs | kept | {"input_ids": input_ids[:, -1:]}

    def _update_model_kwargs_for_generation(
        self, outputs: ModelOutput, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        model_kwargs = super()._update_model_kwargs_for_generation(outputs, model_kwargs, *args, **kwargs)
        return model_kwargs | {"visible": outputs.visible, "next_positions": outputs.next_positions}

    @staticmethod
    def _expand_inputs_for_generation(
        expand_size: int = 1, is_encoder_decoder: bool = False, input_ids: Tensor | None = None, **kwargs: Any
    ) -> tuple[Tensor | None, dict[str, Any]]:
        """Rows are repeated, the images that they number are not."""
        if expand_size == 1:
            return input_ids, kwargs
        by_row = ("kinds", "images", "attention_mask")
        repeated = {k: kwargs[k].repeat_interleave(expand_size, 0) for k in by_row if kwargs.get(k) is not None}
        assert input_ids is not None
        return input_ids.repeat_interleave(expand_size, 0), kwargs | repeated

    def continue_from(
        self,
        input_ids: Tensor,
        past: DynamicCache | None,
        visible: Tensor | None,
        positions: Tensor,
    ) -> VocoOutput:
        """One more text token for every row, on top of what was kept."""
        assert past is not None
        assert visible is not None
        if int(positions.max()) >= self.config.window:
            raise VocoError(
                f"the answer reached the end of the model's window of {self.config.window} positions;"
                " ask for fewer new tokens"
            )
        visible = torch.cat([visible, torch.ones_like(visible[:, :1])], 1)
        mask = torch.zeros(visible.shape, dtype=self.dtype, device=visible.device)
        mask = mask.masked_fill(~visible, torch.finfo(self.dtype).min)[:, None, None]
        out = self.language_model(
            input_ids=input_ids,
            attention_mask=mask,
            position_ids=positions[:, None],
            past_key_values=past,
            use_cache=True,
        )
        return VocoOutput(logits=out.logits, past_key_values=past, visible=visible, next_positions=positions + 1)
