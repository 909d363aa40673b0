"""Making caches: the model compresses images once, each in the place that it has in a conversation."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from voco_model import digest
from voco_model.cache import VocoCache
from voco_model.config import VocoConfig
from voco_model.errors import VocoError
from voco_model.plan import Batch
from voco_model.rotary import inverse_frequencies
from voco_model.segments import Kind, Segments
from voco_model.two_phase import compress

OWN_KEYS = tuple(key for key in VocoConfig.__annotations__ if not key.endswith("_config"))
"""Configuration keys that may be set on a living model."""


class VocoCaching:
    """The half of the model that turns pictures into values of their own."""

    config: VocoConfig
    decoder: Any
    device: torch.device
    check_n_voco: Any
    embed: Any
    embed_images: Any
    language_model: Any
    parameters: Any
    _digest: tuple[Any, str] | None = None
    _inverse_frequencies: Tensor | None = None
    _prefixes: tuple[str, dict[tuple[int, ...], list[tuple[Tensor, Tensor]]]] | None = None

    def train(self, mode: bool = True) -> Any:
        """Also forgets the digest: whoever switches may have written the weights in a way that leaves no trace."""
        self._digest = None
        return super().train(mode)  # type: ignore[misc]

    def digest(self) -> str:
        """The model's name in caches and stores: its weights and configuration, computed once per change.

        Optimisers and assignments are noticed; after writing through a parameter's `.data`, call `train()` or
        `eval()`, which forget the name.
        """
        weights = tuple((p.data_ptr(), 0 if p.is_inference() else p._version, p.dtype) for p in self.parameters())
        state = weights, tuple(str(getattr(self.config, key)) for key in OWN_KEYS)
        if self._digest is None or self._digest[0] != state:
            if any(p.numel() == 0 for p in self.parameters()):
                raise VocoError("the weights are partitioned over processes; gather them before caching images")
            self._digest = state, digest.of_model(self, self.config.to_dict())  # type: ignore[arg-type]
        return self._digest[1]

    @torch.no_grad()
    def compress(
        self,
        pixel_values: Tensor,
        n_voco: int | None = None,
        image_digests: list[str] | None = None,
        prefix_ids: list[int] | None = None,
        place: int | None = None,
        chunk: int = 32,
    ) -> VocoCache:
        """Images as one cache, each in the place it has when the sequence opens with them in this order.

        prefix_ids: the prefix that the images see, by default the beginning-of-sequence token.
        place: the position of the first image's first token, where text stands before it.
        chunk: how many images are in memory at once.
        """
        parts = list(self.compress_chunks(pixel_values.split(chunk), n_voco, image_digests, prefix_ids, place))
        return VocoCache.concat(parts)

    @torch.no_grad()
    def compress_chunks(
        self,
        chunks: Iterable[Tensor],
        n_voco: int | None = None,
        image_digests: list[str] | None = None,
        prefix_ids: list[int] | None = None,
        place: int | None = None,
    ) -> Iterator[VocoCache]:
        """`compress`, one cache for each chunk of an iterable of pixel values; only one chunk is in memory."""
        config = self.config
        if config.compressor == "none":
            raise VocoError("compressor 'none' has no VoCo tokens to keep; there is nothing to cache")
        n_voco = self.check_n_voco(n_voco)
        if prefix_ids is None:
            bos = config.text_config.bos_token_id
            prefix_ids = [] if bos is None else [bos]
        gap = config_gap(config)
        place = len(prefix_ids) + gap if place is None else place
        done = 0
        for pixels in chunks:
            digests = image_digests[done : done + len(pixels)] if image_digests else None
            yield self._compress_chunk(pixels, n_voco, digests, prefix_ids, place, gap)
            place += len(pixels) * (n_voco + gap)
            done += len(pixels)

    @torch.no_grad()
    def compress_apart(
        self, pixel_values: Tensor, n_voco: int | None, image_digests: list[str], prefix_ids: list[int], place: int
    ) -> list[VocoCache]:
        """Images of different conversations, together: each stands where a conversation's first does."""
        n_voco = self.check_n_voco(n_voco)
        whole = self._compress_chunk(pixel_values, n_voco, image_digests, prefix_ids, place, -n_voco)
        gap = config_gap(self.config)
        return [replace(one, gap=gap) for one in whole.split()]

    def _compress_chunk(
        self,
        pixels: Tensor,
        n_voco: int,
        digests: list[str] | None,
        prefix_ids: list[int],
        place: int,
        gap: int,
    ) -> VocoCache:
        """`gap`: positions between an image's last token and the next one's first."""
        batch = self.image_rows(len(pixels), n_voco, prefix_ids, place, gap)
        embeds = self.embed_images(pixels.to(self.device), n_voco)
        compressed = compress(self.decoder, batch, lambda at: self.embed(at, embeds))
        blocks = digests or [digest.of_pixels(p) for p in pixels]
        if len(blocks) != len(pixels):
            raise VocoError(f"{len(pixels)} images, but {len(blocks)} digests for them; give one for each")
        return VocoCache(
            keys=torch.stack([k.transpose(0, 1) for k, _ in compressed.layers]),
            values=torch.stack([v.transpose(0, 1) for _, v in compressed.layers]),
            positions=batch.positions[:, -n_voco:].flatten(),
            blocks=tuple((block, n_voco) for block in blocks),
            model=self.digest(),
            inverse_frequencies=self._frequencies(),
            gap=gap,
            prefix=tuple(prefix_ids),
        )

    def image_rows(self, n: int, n_voco: int, prefix_ids: list[int], place: int, gap: int) -> Batch:
        """One row `prefix | vision | VoCo` for each image, at the positions of its place."""
        n_prefix, n_vision = len(prefix_ids), self.config.n_vision
        kinds = [Kind.PREFIX] * n_prefix + [Kind.VISION] * n_vision + [Kind.VOCO] * n_voco
        device = self.device
        numbers = torch.arange(n, device=device)[:, None].expand(-1, len(kinds)).clone()
        numbers[:, :n_prefix] = -1
        segments = Segments(torch.tensor([kinds] * n, device=device), numbers)
        ids = torch.zeros(n, len(kinds), dtype=torch.long, device=device)
        ids[:, :n_prefix] = torch.tensor(prefix_ids, dtype=torch.long, device=device)
        starts = place + torch.arange(n, device=device)[:, None] * (n_voco + gap)
        block = torch.arange(-n_vision, n_voco, device=device)
        prefix = torch.arange(n_prefix, device=device).expand(n, -1)
        positions = torch.cat([prefix, starts + block], 1)
        if int(positions.max()) >= self.config.window:
            raise VocoError(
                f"{n} more images at position {place} run past the model's window of {self.config.window};"
                " use fewer images, fewer VoCo tokens, or `compact` positions"
            )
        return Batch(ids, segments, positions, segments.ordinals())

    def prefix_keys(self, ids: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        """Per layer, (tokens, heads, size) keys and values of a prefix, made once for these weights."""
        name = self.digest()
        if self._prefixes is None or self._prefixes[0] != name:
            self._prefixes = name, {}
        known = self._prefixes[1]
        if ids not in known:
            row = torch.tensor([ids], device=self.device)
            index = torch.arange(len(ids), device=self.device)[None]
            passed = self.decoder.run(self.decoder.embeddings(row), index, keep=index)
            known[ids] = [(k[0].transpose(0, 1), v[0].transpose(0, 1)) for k, v in passed.kept]
        return known[ids]

    def _frequencies(self) -> Tensor:
        if self._inverse_frequencies is None:
            self._inverse_frequencies = inverse_frequencies(self.language_model)
        return self._inverse_frequencies


def config_gap(config: VocoConfig) -> int:
    """Positions that an image takes before its VoCo tokens."""
    return config.n_vision if config.positions == "layout" else 0
