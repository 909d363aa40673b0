"""The VoCo cache: an image as the keys and values of its VoCo tokens, a value of its own.

It can be saved and loaded, concatenated (video: one per frame, in time order), moved to another place,
quantised to int8, and handed to any runtime.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from voco_model import digest
from voco_model.errors import VocoError
from voco_model.files import whole_file
from voco_model.quantised import Quantised, quantise
from voco_model.rotary import rotate

FORMAT = "voco-cache-1"
Stored = Tensor | Quantised


@dataclass(frozen=True, eq=False)
class VocoCache:
    """Keys and values of VoCo tokens, image after image."""

    keys: Stored
    """(layers, heads, tokens, size), rotated to `positions`."""
    values: Stored
    positions: Tensor
    """(tokens,) position numbers."""
    blocks: tuple[tuple[str, int], ...]
    """For each image, in order: its digest and its number of tokens."""
    model: str
    """The digest of the model that made it."""
    inverse_frequencies: Tensor
    """The rotary frequencies, so that keys can be moved without the model."""
    gap: int = 0
    """Positions before each image's tokens: its vision tokens under `layout` positions, none under `compact`."""
    prefix: tuple[int, ...] = ()
    """The tokens that the images saw before themselves."""

    @property
    def n_tokens(self) -> int:
        return len(self.positions)

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values, scales included."""
        return self.keys.nbytes + self.values.nbytes

    @property
    def is_quantised(self) -> bool:
        return isinstance(self.keys, Quantised)

    def __repr__(self) -> str:
        kind = "int8" if self.is_quantised else str(self.keys.dtype).removeprefix("torch.")
        return f"VocoCache({len(self.blocks)} images, {self.n_tokens} tokens, {self.nbytes:,} bytes, {kind})"

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Keys and values as plain tensors, dequantised where need be."""
        keys, values = (x.dequantised() if isinstance(x, Quantised) else x for x in (self.keys, self.values))
        return keys, values

    def split(self) -> list["VocoCache"]:
        """One cache for each image."""
        parts, start = [], 0
        for image, n_tokens in self.blocks:
            parts.append(self._tokens(slice(start, start + n_tokens), ((image, n_tokens),)))
            start += n_tokens
        return parts

    def first(self, n_voco: int) -> "VocoCache":
        """Each image with its first `n_voco` tokens only: what an elastic model answers from."""
        if all(n <= n_voco for _, n in self.blocks):
            return self
        if n_voco < 1:
            raise VocoError(f"n_voco is {n_voco}; a cache keeps at least one token of each image")
        shorter = [
            part._tokens(slice(0, n_voco), ((part.blocks[0][0], min(n_voco, part.n_tokens)),))
            for part in self.split()
        ]
        return VocoCache._joined(shorter)

    def moved_to(self, place: int) -> "VocoCache":
        """The same images with the first token at position `place`: keys are rotated further.

        Exact in everything but the distance to the prefix, which the images saw where they were compressed.
        """
        steps = place - int(self.positions[0])
        if steps == 0:
            return self
        keys, values = self.tensors()
        by = torch.full((self.n_tokens,), steps, device=keys.device)
        moved = replace(
            self,
            keys=rotate(keys, by, self.inverse_frequencies.to(keys.device)),
            values=values,
            positions=self.positions + steps,
        )
        return moved.quantised() if self.is_quantised else moved

    @staticmethod
    def concat(caches: list["VocoCache"]) -> "VocoCache":
        """Images one after the other, in time order for a video; each is moved to follow the one before.

        Caches that already follow each other, as frames compressed in place do, are joined as they are.
        """
        if not caches:
            raise VocoError("there is no cache to concatenate")
        for what, seen in (
            ("models", {c.model for c in caches}),
            ("prefixes", {c.prefix for c in caches}),
            ("precisions (some are int8)", {c.is_quantised for c in caches}),
        ):
            if len(seen) > 1:
                raise VocoError(f"caches of different {what} cannot be concatenated")
        placed = [caches[0]]
        for cache in caches[1:]:
            placed.append(cache.moved_to(int(placed[-1].positions[-1]) + 1 + cache.gap))
        return VocoCache._joined(placed)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "VocoCache":
        """On another device, in another type; a type makes an int8 cache plain again."""
        keys, values = self.keys, self.values
        if dtype is not None:
            keys, values = (x.to(dtype) for x in self.tensors())
        moved = replace(self, keys=keys, values=values)
        if device is None:
            return moved
        return replace(
            moved,
            keys=keys.to(device),
            values=values.to(device),
            positions=self.positions.to(device),
            inverse_frequencies=self.inverse_frequencies.to(device),
        )

    def quantised(self) -> "VocoCache":
        """int8, with one scale for each head of each token and layer."""
        if self.is_quantised:
            return self
        keys, values = self.tensors()
        return replace(self, keys=quantise(keys), values=quantise(values))

    def save(self, path: Path | str) -> Path:
        """Write one safetensors file; it appears under its name only when it is whole."""
        named = self._named()
        about = self._about()
        header = {"format": FORMAT, "about": about, "digest": digest.of_tensors(sorted(named.items()), about)}
        # One key only: safetensors writes several in no fixed order, and equal caches shall be equal files.
        metadata = {"voco": json.dumps(header)}
        with whole_file(Path(path)) as temporary:
            save_file({k: v.detach().contiguous().cpu() for k, v in named.items()}, temporary, metadata=metadata)
        return Path(path)

    @classmethod
    def load(cls, path: Path | str) -> "VocoCache":
        """Read a saved cache; a damaged one is refused."""
        try:
            with safe_open(path, framework="pt") as file:
                header = dict(json.loads((file.metadata() or {}).get("voco", "{}")))
                # Copies: the tensors would otherwise be the file itself, and change with it.
                named = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            raise VocoError(f"{path}: no such cache file; make it with compress(image).save(path)") from None
        except (SafetensorError, OSError, ValueError, TypeError) as error:
            raise VocoError(f"{path}: not a readable cache file ({error}); compress the image again") from None
        if header.get("format") != FORMAT:
            raise VocoError(f"{path}: not a VoCo cache of format {FORMAT}; compress the image again")
        about = header.get("about", "")
        if digest.of_tensors(sorted(named.items()), about) != header.get("digest"):
            raise VocoError(f"{path}: the content does not match its digest; compress the image again")
        try:
            return cls._from_named(named, json.loads(about))
        except (KeyError, TypeError, AttributeError) as error:
            raise VocoError(f"{path}: lacks a part of a cache ({error}); compress the image again") from None

    def _tokens(self, which: slice, blocks: tuple[tuple[str, int], ...]) -> "VocoCache":
        return replace(
            self,
            keys=self.keys[:, :, which],
            values=self.values[:, :, which],
            positions=self.positions[which],
            blocks=blocks,
        )

    @staticmethod
    def _joined(caches: list["VocoCache"]) -> "VocoCache":
        if len(caches) == 1:
            return caches[0]
        return replace(
            caches[0],
            keys=_cat([c.keys for c in caches]),
            values=_cat([c.values for c in caches]),
            positions=torch.cat([c.positions for c in caches]),
            blocks=tuple(block for c in caches for block in c.blocks),
        )

    def _named(self) -> dict[str, Tensor]:
        named = {"positions": self.positions, "inverse_frequencies": self.inverse_frequencies}
        for name, stored in (("keys", self.keys), ("values", self.values)):
            if isinstance(stored, Quantised):
                named |= {name: stored.codes, f"{name}.scales": stored.scales}
            else:
                named[name] = stored
        return named

    def _about(self) -> str:
        about: dict[str, Any] = {"model": self.model, "blocks": self.blocks, "dtype": str(self.dtype)}
        about |= {"gap": self.gap, "prefix": self.prefix}
        return json.dumps(about)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the keys when they are plain."""
        return self.keys.dtype

    @classmethod
    def _from_named(cls, named: dict[str, Tensor], about: dict[str, Any]) -> "VocoCache":
        dtype = getattr(torch, about["dtype"].removeprefix("torch."))

        def stored(name: str) -> Stored:
            scales = named.get(f"{name}.scales")
            return named[name] if scales is None else Quantised(named[name], scales, dtype)

        return cls(
            stored("keys"),
            stored("values"),
            named["positions"],
            tuple((image, n) for image, n in about["blocks"]),
            about["model"],
            named["inverse_frequencies"],
            about["gap"],
            tuple(about["prefix"]),
        )


def _cat(parts: list[Stored]) -> Stored:
    """Tokens one after the other, all plain or all int8."""
    coded = [part for part in parts if isinstance(part, Quantised)]
    if coded:
        return Quantised.cat(coded, 2)
    return torch.cat([part for part in parts if isinstance(part, Tensor)], 2)
