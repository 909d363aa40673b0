"""Running a Hugging Face decoder's own layers on just the rows that somebody reads.

No modelling code is copied: each layer's own forward runs, on the query rows that are wanted, and a small cache
object hands it the keys and values of the others. Works for every decoder whose attention asks a cache for its
keys and dispatches through Hugging Face's attention interface; `check_decoder` verifies one that is new.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from voco_model.errors import VocoError

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, (rows, heads, length, size) each."""

VERIFIED = ("llama", "qwen2", "qwen3", "mistral")
"""Decoder types that the tests hold to the plain forward."""


class _KeysMade(Exception):
    """Stops a layer once its keys and values are made: nobody reads the rest of it."""


@dataclass
class _Tap:
    """Stands where a layer expects its cache: joins earlier keys, records new ones, or replaces all."""

    past: KeysValues | None = None
    everything: KeysValues | None = None
    stop: bool = False
    new: KeysValues | None = None

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> KeysValues:
        self.new = keys, values
        if self.stop:
            raise _KeysMade
        if self.everything is not None:
            return self.everything
        return join(self.past, self.new)


def recomputed(function: Callable, *args: Any) -> Any:
    """The function's result; what its backward pass needs is made again there instead of kept."""
    return checkpoint(function, *args, use_reentrant=False) if torch.is_grad_enabled() else function(*args)


def join(past: KeysValues | None, new: KeysValues) -> KeysValues:
    if past is None:
        return new
    return torch.cat([past[0], new[0]], dim=2), torch.cat([past[1], new[1]], dim=2)


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """`x[b, index[b, i]]` for x of (rows, length, ...)."""
    shape = index.shape + (1,) * (x.dim() - 2)
    return x.gather(1, index.view(shape).expand(*index.shape, *x.shape[2:]))


def _mask_rows(mask: Tensor | None, index: Tensor, n_past: int, n_keys: int, dtype: torch.dtype) -> Tensor:
    """The mask of some query rows; plain causality is written out, since a cut square is not one."""
    if mask is not None:
        mask = mask.expand(index.shape[0], -1, -1, -1)
        return mask.gather(2, index[:, None, :, None].expand(-1, mask.shape[1], -1, mask.shape[3]))
    keys = torch.arange(n_keys, device=index.device)
    hidden = keys > index[:, None, :, None] + n_past
    return torch.zeros(hidden.shape, dtype=dtype, device=index.device).masked_fill(hidden, torch.finfo(dtype).min)


@dataclass
class Passed:
    """What a pass through the decoder left behind."""

    hidden: Tensor | None
    """Normalised last hidden states of the rows that were to be read, (rows, read, width)."""
    kept: list[KeysValues] = field(default_factory=list)
    """Per layer, the keys and values of the rows that were to be kept."""

    @staticmethod
    def joined(parts: "list[Passed]") -> "Passed":
        """Passes of different rows as one."""
        hidden = [part.hidden for part in parts if part.hidden is not None]
        kept = [
            (torch.cat([k for k, _ in layer]), torch.cat([v for _, v in layer]))
            for layer in zip(*(part.kept for part in parts), strict=True)
        ]
        return Passed(torch.cat(hidden) if hidden else None, kept)


class Decoder:
    """A causal language model seen as embeddings, layers, a norm and a head.

    every_row: compute what nobody reads too: whoever traces the layers follows no exception out of one.
    """

    def __init__(
        self, language_model: PreTrainedModel, checkpointing: bool = False, every_row: bool = False
    ) -> None:
        base = language_model.get_decoder()
        self.embeddings = base.get_input_embeddings()
        self.layers: nn.ModuleList = base.layers
        self.norm: nn.Module = base.norm
        self.rotary: Any = base.rotary_emb
        self.head: nn.Module = language_model.get_output_embeddings()
        self.checkpointing = checkpointing
        self.every_row = every_row

    def run(
        self,
        embeds: Tensor,
        positions: Tensor,
        mask: Tensor | None = None,
        past: list[KeysValues] | None = None,
        read: Tensor | None = None,
        keep: Tensor | None = None,
    ) -> Passed:
        """Pass `embeds` (rows, length, width) through the layers, computing only what is asked for.

        mask: additive, (rows, 1, length, past + length); None is plain causal attention, without past.
        past: per layer, keys and values that stand before these rows.
        read: (rows, n) indices whose last hidden states are wanted; None for none.
        keep: (rows, n) indices whose keys and values are wanted; None for none.
        """
        if past is not None and mask is None:
            raise VocoError("earlier keys need a mask that says who sees them")
        state = _State(embeds, positions, mask, self.rotary(embeds, position_ids=positions))
        kept: list[KeysValues] = []
        for number, layer in enumerate(self.layers):
            before = past[number] if past is not None else None
            wanted = self._wanted_rows(len(self.layers) - 1 - number, read, keep)
            all_kept = state.is_cut  # the rows that go on are those to be kept, in that order
            keys_values = self._layer(layer, state, before, wanted)
            if keep is not None:
                kept.append(keys_values if all_kept else _pick(keys_values, keep))
        if read is None:
            return Passed(None, kept)
        return Passed(self.norm(_rows(state.hidden, read) if self.every_row else state.hidden), kept)

    def _wanted_rows(self, layers_above: int, read: Tensor | None, keep: Tensor | None) -> "_Wanted":
        """Which rows of a layer's output somebody reads."""
        if self.every_row:
            return _Wanted(None)
        if layers_above == 0:
            return _Wanted(read) if read is not None else _Wanted(None, nothing=True)
        if layers_above == 1 and read is None:
            return _Wanted(keep)
        return _Wanted(None)

    def _layer(self, layer: nn.Module, state: "_State", past: KeysValues | None, wanted: "_Wanted") -> KeysValues:
        """Advance the state by one layer; gives the new keys and values of all the state's rows."""
        if wanted.nothing:
            return self._call(_only_keys, layer, state.hidden, *state.cos_sin)
        if wanted.rows is not None:
            keys_values = self._call(_only_keys, layer, state.hidden, *state.cos_sin)
            n_past = past[0].shape[2] if past is not None else 0
            n_keys = n_past + state.hidden.shape[1]
            mask = _mask_rows(state.mask, wanted.rows, n_past, n_keys, state.hidden.dtype)
            state.cut(wanted.rows, mask)
            everything = join(past, keys_values)
            state.hidden = self._call(_only_output, layer, state.hidden, *state.cos_sin, mask, *everything)
            return keys_values
        state.hidden, *keys_values = self._call(
            _whole, layer, state.hidden, *state.cos_sin, state.mask, *(past or (None, None))
        )
        return keys_values[0], keys_values[1]

    def _call(self, function: Callable, *args: Any) -> Any:
        return recomputed(function, *args) if self.checkpointing else function(*args)


@dataclass(frozen=True)
class _Wanted:
    """The rows of a layer's output that are read: some, all (no rows named), or none at all."""

    rows: Tensor | None
    nothing: bool = False


@dataclass
class _State:
    """The rows on their way up."""

    hidden: Tensor
    positions: Tensor
    mask: Tensor | None
    cos_sin: tuple[Tensor, Tensor]
    is_cut: bool = False

    def cut(self, rows: Tensor, mask: Tensor) -> None:
        """Go on with some rows only."""
        self.hidden, self.positions, self.mask = (
            _rows(self.hidden, rows),
            self.positions.gather(1, rows),
            mask,
        )
        cos, sin = (x.expand(rows.shape[0], -1, -1) for x in self.cos_sin)
        self.cos_sin = _rows(cos, rows), _rows(sin, rows)
        self.is_cut = True


def _pick(keys_values: KeysValues, index: Tensor) -> KeysValues:
    keys, values = (_rows(x.transpose(1, 2), index).transpose(1, 2) for x in keys_values)
    return keys, values


def _whole(
    layer: nn.Module,
    hidden: Tensor,
    cos: Tensor,
    sin: Tensor,
    mask: Tensor | None,
    past_keys: Tensor | None,
    past_values: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    past = (past_keys, past_values) if past_keys is not None and past_values is not None else None
    tap = _Tap(past=past)
    hidden = layer(
        hidden, attention_mask=mask, position_embeddings=(cos, sin), past_key_values=tap, use_cache=True
    )
    assert tap.new is not None
    return hidden, *tap.new


def _only_keys(layer: nn.Module, hidden: Tensor, cos: Tensor, sin: Tensor) -> KeysValues:
    tap = _Tap(stop=True)
    try:
        layer(hidden, attention_mask=None, position_embeddings=(cos, sin), past_key_values=tap, use_cache=True)
    except _KeysMade:
        assert tap.new is not None
        return tap.new
    raise VocoError(f"{type(layer).__name__} never asked its cache for keys; this decoder cannot be driven")


def _only_output(
    layer: nn.Module, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, keys: Tensor, values: Tensor
) -> Tensor:
    tap = _Tap(everything=(keys, values))
    return layer(hidden, attention_mask=mask, position_embeddings=(cos, sin), past_key_values=tap, use_cache=True)


@torch.no_grad()
def check_decoder(language_model: PreTrainedModel) -> None:
    """Hold an unknown decoder's layers, run our way, to its own forward on three tokens."""
    if language_model.config.model_type in VERIFIED or next(language_model.parameters()).is_meta:
        return
    name = language_model.config.model_type
    try:
        decoder = Decoder(language_model)
        ids = torch.arange(3, device=language_model.device)[None]
        plain = language_model(input_ids=ids, use_cache=False).logits[:, -1:]
        hidden = decoder.run(decoder.embeddings(ids), ids, read=ids[:, -1:]).hidden
        ours = decoder.head(hidden)
    except (AttributeError, TypeError) as error:
        raise VocoError(f"decoder type '{name}' cannot be driven layer by layer: {error}") from error
    if not torch.allclose(plain, ours, rtol=1e-2, atol=1e-2 * float(plain.abs().max())):
        raise VocoError(f"decoder type '{name}' computes more than its layers; use one of {', '.join(VERIFIED)}")
