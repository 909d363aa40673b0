"""Hugging Face's generation on top of a compressed prompt: only what differs from any other model."""

from typing import Any

from torch import Tensor
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import ModelOutput

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


class VocoGeneration(GenerationMixin):
    """Greedy, sampling, beams, streaming and stopping are the library's; the first step compresses and reads."""

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
