"""A question about a picture that was seen before, in three ways: nothing kept, everything kept, VoCo tokens kept.

All three run on one model and differ in what they keep. Without VoCo tokens text reads all vision tokens.
"""

from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from voco_model.assistant import Assistant
from voco_model.model import VocoForConditionalGeneration
from voco_model.processing.templates import IMAGE_TAGS
from voco_model.segments import Kind


class Way(Protocol):
    """One way."""

    kept_bytes: int
    """Of keys and values, counted from the tensors, for the picture alone."""

    def ask(self, n_tokens: int) -> list[int]:
        """The first tokens of an answer. The picture's decoding is no part of it; its encoding is where it is."""


def greedy(model: VocoForConditionalGeneration, inputs: dict[str, Any], n_tokens: int) -> list[int]:
    """So many likeliest tokens, whether the answer ends before or not."""
    out = model(**inputs, use_cache=True)
    tokens = [out.logits[:, -1].argmax(-1, keepdim=True)]
    for _ in range(n_tokens - 1):
        out = model(
            tokens[-1],
            past_key_values=out.past_key_values,
            visible=out.visible,
            next_positions=out.next_positions,
        )
        tokens.append(out.logits[:, -1].argmax(-1, keepdim=True))
    return [int(token) for token in tokens]


class Nothing:
    """The picture is encoded and read anew for each question."""

    kept_bytes = 0

    def __init__(self, assistant: Assistant, picture: Any, question: str) -> None:
        self.model = assistant.model
        self.inputs = _in_sight(assistant, picture, question)

    @torch.inference_mode()
    def ask(self, n_tokens: int) -> list[int]:
        return greedy(self.model, self.inputs, n_tokens)


class Everything:
    """Keys and values of all vision tokens are kept, and the question is read on top of them."""

    @torch.inference_mode()
    def __init__(self, assistant: Assistant, picture: Any, question: str) -> None:
        self.model = assistant.model
        inputs = _in_sight(assistant, picture, question)
        kinds = inputs["kinds"][0]
        is_vision = kinds == Kind.VISION
        end = int(is_vision.nonzero().max()) + 1
        before = {name: inputs[name][:, :end] for name in ("input_ids", "kinds", "images")}
        out = self.model(**inputs | before, use_cache=True)
        self.past: DynamicCache = out.past_key_values
        self.question = inputs["input_ids"][:, end:]
        self.place = int(out.next_positions)
        self.length = self.past.get_seq_length()
        one = sum(x[:, :, :1].nbytes for layer in self.past.layers for x in (layer.keys, layer.values))
        self.kept_bytes = one * int(is_vision.sum())

    @torch.inference_mode()
    def ask(self, n_tokens: int) -> list[int]:
        ids, place, tokens = self.question, self.place, []
        for _ in range(n_tokens):
            positions = torch.arange(place, place + ids.shape[1], device=ids.device)[None]
            out = self.model.language_model(
                input_ids=ids,
                position_ids=positions,
                past_key_values=self.past,
                use_cache=True,
                logits_to_keep=1,
            )
            place += ids.shape[1]
            ids = out.logits[:, -1].argmax(-1, keepdim=True)
            tokens.append(int(ids))
        self.past.crop(self.length - self.past.get_seq_length())
        return tokens


class VocoTokens:
    """Keys and values of the VoCo tokens are kept."""

    @torch.inference_mode()
    def __init__(self, assistant: Assistant, picture: Any, question: str, n_voco: int) -> None:
        self.model = assistant.model
        cache = assistant.compress(picture, n_voco)
        self.kept_bytes = cache.nbytes
        self.int8_bytes = cache.quantised().nbytes
        batch = assistant.processor([_asked(question)], [[cache]])
        self.inputs = dict(batch.to(self.model.device))

    @torch.inference_mode()
    def ask(self, n_tokens: int) -> list[int]:
        return greedy(self.model, self.inputs, n_tokens)


def _asked(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"{IMAGE_TAGS[0]}\n{question}"}]


def _in_sight(assistant: Assistant, picture: Any, question: str) -> dict[str, Any]:
    """The model's inputs with all vision tokens and no VoCo tokens."""
    batch = assistant.processor([_asked(question)], [[picture]]).to(assistant.model.device)
    stays: Tensor = batch["kinds"][0] != Kind.VOCO
    rows = {name: batch[name][:, stays] for name in ("input_ids", "kinds", "images")}
    return rows | {"pixel_values": batch["pixel_values"], "reading": "causal"}
