"""VoCo-LLaMA: a vision tower, a projector, a compressor and any causal decoder, read through the rule."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    GenerationMixin,
    PreTrainedModel,
    initialization,
)
from transformers.cache_utils import DynamicCache

from voco_model import attention
from voco_model.cache import VocoCache
from voco_model.caching import VocoCaching
from voco_model.config import VocoConfig
from voco_model.decoder import Decoder, check_decoder
from voco_model.embedding import VocoEmbedding
from voco_model.errors import VocoError
from voco_model.generation import Continuation, VocoGeneration, VocoOutput
from voco_model.plan import Batch, Wanted
from voco_model.rule import additive_mask, block_mask, tokens
from voco_model.seeing import Seen, VocoSeeing
from voco_model.segments import Kind, Segments
from voco_model.two_phase import Compressed, from_caches, read_text, with_prefixes
from voco_model.vision import QFormer, VisionTower, build_compressor, build_projector


class VocoPreTrainedModel(PreTrainedModel):
    """Initialisation and saving, as Hugging Face wants them."""

    config_class = VocoConfig
    base_model_prefix = "voco"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = True
    """Trainers may hand `num_items_in_batch` to the forward."""
    _supports_sdpa = True
    _no_split_modules = (
        "CLIPEncoderLayer",
        *(f"{name}DecoderLayer" for name in ("Llama", "Qwen2", "Qwen3", "Mistral")),
    )

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """As Hugging Face's, from safetensors alone: a pickle is never loaded."""
        return super().from_pretrained(*args, **{**kwargs, "use_safetensors": True})

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, QFormer):
            std = getattr(self.config.text_config, "initializer_range", 0.02)
            initialization.normal_(module.queries, std=std)


MODES = ("two_phase", "one_pass", "one_pass_flex")
"""How a batch may be computed; the last two are the masked reference."""


class VocoForConditionalGeneration(
    VocoEmbedding, VocoSeeing, VocoCaching, VocoPreTrainedModel, VocoGeneration, GenerationMixin
):
    """Images are compressed into VoCo tokens inside the decoder; text reads only those.

    A batch is `input_ids`, `kinds` and `images` (see `voco_model.segments`), as the processor makes it, and the
    images as `pixel_values` or as `voco_caches`; the numbers in `images` count these.
    """

    def __init__(self, config: VocoConfig) -> None:
        super().__init__(config)
        config.text_config._attn_implementation = attention.NAME
        self.vision_tower = VisionTower(config)
        self.projector = build_projector(config) if config.n_vision else None
        self.compressor = build_compressor(config)
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.gradient_checkpointing = False
        self._checked = False
        self.post_init()
        if self.generation_config is not None and config.voco_token_id is not None:
            self.generation_config.suppress_tokens = [config.voco_token_id]

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.language_model.get_output_embeddings()

    def get_decoder(self) -> nn.Module:
        return self.language_model.get_decoder()

    @property
    def decoder(self) -> Decoder:
        """The decoder, to be run row by row."""
        if self.language_model.config._attn_implementation != attention.NAME:
            raise VocoError(
                f"attention '{self.language_model.config._attn_implementation}' would misread two-phase masks;"
                f" call language_model.set_attn_implementation('{attention.NAME}'), or use mode 'one_pass'"
            )
        if not self._checked:
            check_decoder(self.language_model)
            self._checked = True
        return Decoder(self.language_model, checkpointing=self.gradient_checkpointing and self.training)

    def _set_gradient_checkpointing(self, enable: bool = True, *args: Any, **kwargs: Any) -> None:
        """The decoder's layers are recomputed by `Decoder`; on their own they drop the keys they are given."""
        super()._set_gradient_checkpointing(enable, *args, **kwargs)
        layers: Any = self.get_decoder().layers
        for layer in layers:
            layer.gradient_checkpointing = False

    def forward(
        self,
        input_ids: Tensor,
        kinds: Tensor | None = None,
        images: Tensor | None = None,
        pixel_values: Tensor | None = None,
        voco_caches: list[VocoCache] | None = None,
        labels: Tensor | None = None,
        logits_at: Tensor | None = None,
        n_voco: int | None = None,
        mode: str = "two_phase",
        reading: str | None = None,
        num_items_in_batch: Tensor | int | None = None,
        past_key_values: DynamicCache | None = None,
        visible: Tensor | None = None,
        next_positions: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_cache: bool = False,
        return_dict: bool = True,
    ) -> VocoOutput:
        """Logits, and a loss where there are labels, at just the positions that are asked for.

        pixel_values: (images, 3, size, size); or `vision_features()` of them, to run the tower once for two calls.
        labels: (rows, length), -100 where there is none; logits are given for each label, in row order.
        logits_at: (rows, length) mask of positions whose next-token logits are wanted instead.
        n_voco: read fewer VoCo tokens than the batch has places for.
        mode: "two_phase", or "one_pass" / "one_pass_flex": the masked reference over the whole sequence.
        reading: "rule" or "causal", instead of the configuration's.
        attention_mask: ignored; the kinds say what is padding.
        """
        if next_positions is not None:
            return self.continue_from(input_ids, past_key_values, visible, next_positions)
        batch = self._batch(input_ids, kinds, images, n_voco)
        reading = reading or self.config.reading
        wanted = self._wanted(batch, labels, logits_at)
        _check_mode(mode, use_cache, voco_caches)
        unlabelled = labels is not None and not len(wanted.rows)
        if unlabelled and not self.always_see:
            return VocoOutput(loss=self._nothing_to_learn())
        if unlabelled:
            wanted = Wanted.last(batch)
        cache = None
        if mode == "two_phase":
            hidden, cache = self._two_phase(batch, pixel_values, voco_caches, wanted, reading, use_cache)
        else:
            hidden = self._one_pass(batch, pixel_values, wanted, reading, mode == "one_pass_flex")
        logits = self.get_output_embeddings()(hidden)
        loss = None
        if unlabelled:
            return VocoOutput(loss=(logits * 0).sum())
        if labels is not None:
            loss = _loss(logits, labels[labels != -100], num_items_in_batch)
        elif logits_at is None:
            logits = logits[:, None]
        output = VocoOutput(loss=loss, logits=logits)
        if cache is not None and use_cache:
            output.past_key_values = cache.into(past_key_values)
            output.visible, output.next_positions = cache.visible, cache.next_positions
        return output

    def _batch(self, ids: Tensor, kinds: Tensor | None, images: Tensor | None, n_voco: int | None) -> Batch:
        if kinds is None or images is None:
            raise VocoError("kinds and images are missing; make the batch with the processor")
        segments = Segments(kinds, images)
        if n_voco is not None:
            segments = segments.limited(self.check_n_voco(n_voco))
        return Batch.of(ids, *segments, self.config.positions, self.config.window)

    def check_n_voco(self, n_voco: int | None) -> int:
        """The number of VoCo tokens to use, refused when the model was not made for it."""
        most = self.config.n_voco
        n_voco = most if n_voco is None else n_voco
        if not min(1, most) <= n_voco <= most:
            raise VocoError(f"n_voco is {n_voco}; this model was trained with {most}: choose 1 to {most}")
        return n_voco

    def _nothing_to_learn(self) -> Tensor:
        """A loss of zero that every trained weight is part of: truncation may cut all of a batch's answers."""
        return torch.stack([(p * 0).sum() for p in self.parameters() if p.requires_grad]).sum()

    @staticmethod
    def _wanted(batch: Batch, labels: Tensor | None, logits_at: Tensor | None) -> Wanted:
        if labels is not None:
            if labels.shape != batch.ids.shape:
                raise VocoError(f"labels {tuple(labels.shape)} and input_ids {tuple(batch.ids.shape)} differ")
            return Wanted.before_labels(batch, labels.cpu().numpy())
        if logits_at is not None:
            return Wanted.marked(logits_at.cpu().numpy())
        return Wanted.last(batch)

    def _two_phase(
        self,
        batch: Batch,
        pixel_values: Tensor | None,
        caches: list[VocoCache] | None,
        wanted: Wanted,
        reading: str,
        keep: bool,
    ) -> tuple[Tensor, Continuation | None]:
        if caches is not None:
            compressed = self._from_caches(batch, caches, reading)
            on_prefix = (batch.kinds[wanted.rows, wanted.columns] == Kind.PREFIX).any()
            if compressed and self.config.prefix_visible and not on_prefix and not torch.is_grad_enabled():
                compressed = with_prefixes(compressed, batch, self.prefix_keys)
            seen = Seen(compressed=compressed)
        else:
            seen = self.see(batch, pixel_values, wanted, reading)
        read = read_text(
            self.decoder,
            batch,
            lambda at: self.embed(at, seen.embeds),
            seen.compressed,
            wanted,
            reading=reading,
            prefix_visible=self.config.prefix_visible,
            keep=keep,
        )
        if seen.nothing is not None:
            read.hidden = read.hidden + seen.nothing
        if not keep:
            return read.hidden, None
        positions = batch.positions.masked_fill(batch.segments.kinds == Kind.PAD, -1)
        return read.hidden, Continuation(read.kept, read.visible, positions.max(1).values + 1)

    def _from_caches(self, batch: Batch, caches: list[VocoCache], reading: str) -> Compressed | None:
        if reading != "rule":
            raise VocoError("a cache holds compressed images only; read it with reading 'rule'")
        own = self.digest()
        for cache in caches:
            if cache.model != own:
                raise VocoError(
                    f"the cache was made by model {cache.model[:12]}, this is {own[:12]};"
                    " compress the image again with this model"
                )
        return from_caches(batch, caches, self.device, self.dtype) if batch.blocks else None

    def _one_pass(
        self, batch: Batch, pixel_values: Tensor | None, wanted: Wanted, reading: str, flex: bool
    ) -> Tensor:
        """The reference: the whole sequence at once, under one mask."""
        embeds = self.embed(batch, self.all_embeds(batch, pixel_values))
        visible = self.config.prefix_visible
        mask: Any
        if flex:
            mask = block_mask(batch.segments, visible, reading)
        else:
            positions = tokens(batch.segments)
            mask = additive_mask(positions, positions, embeds.dtype, visible, reading)
        hidden = self.get_decoder()(
            inputs_embeds=embeds, attention_mask=mask, position_ids=batch.positions, use_cache=False
        ).last_hidden_state
        return hidden[torch.from_numpy(wanted.rows), torch.from_numpy(wanted.columns)]


def _check_mode(mode: str, use_cache: bool, voco_caches: list[VocoCache] | None) -> None:
    if mode not in MODES:
        raise VocoError(f"mode '{mode}' is unknown; choose {', '.join(MODES[:-1])} or {MODES[-1]}")
    if use_cache and mode != "two_phase":
        raise VocoError(f"mode '{mode}' keeps no cache to go on from; generate with mode 'two_phase'")
    if voco_caches is not None and mode != "two_phase":
        raise VocoError(f"mode '{mode}' reads pictures, not caches; read caches with mode 'two_phase'")


def _loss(logits: Tensor, targets: Tensor, num_items: Tensor | int | None) -> Tensor:
    """Mean cross-entropy, or its sum over the number of items that the trainer counted."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if num_items is None:
        return F.cross_entropy(logits, targets)
    return F.cross_entropy(logits, targets, reduction="sum") / num_items


AutoConfig.register("voco", VocoConfig)
AutoModel.register(VocoConfig, VocoForConditionalGeneration)
AutoModelForImageTextToText.register(VocoConfig, VocoForConditionalGeneration)
