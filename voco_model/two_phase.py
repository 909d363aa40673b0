"""Two phases, the same numbers as the one masked pass.

Phase 1 runs `prefix | vision | VoCo` of each image with plain causal attention and keeps the keys and values at
the VoCo places. Phase 2 runs the text on top of them. Nobody else's rows are computed.

A causal reading shares its images too where each opens its row, right behind the prefix: phase 1 then keeps the
vision tokens' keys as well. An image behind other text would see that text, so it is computed in its own row.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from voco_model.cache import VocoCache
from voco_model.decoder import Decoder, KeysValues, Passed, join, recomputed
from voco_model.errors import VocoError
from voco_model.plan import Batch, Gathered, Reads, Wanted, locate, pad, plan_compression
from voco_model.rule import Token, additive_mask, sees_under, tokens
from voco_model.segments import NO_IMAGE, Block, Kind

Embed = Callable[[Gathered], Tensor]
TEXT_KINDS = (Kind.PREFIX, Kind.TEXT)
ALL_KINDS = (Kind.PREFIX, Kind.VISION, Kind.VOCO, Kind.TEXT)


@dataclass
class Compressed:
    """Keys and values of the batch's VoCo tokens, one after the other, and where each block's lie."""

    layers: list[KeysValues]
    """Per layer, (tokens, heads, size) keys and values."""
    starts: dict[tuple[int, int], int]
    """(row, image) to the number of the block's first token."""
    hidden: Tensor | None = None
    """Last hidden states inside the blocks, where they were wanted."""
    prefixes: dict[int, int] = field(default_factory=dict)
    """Row to the number of its prefix's first token, where prefixes are kept too; phase 2 then leaves them out."""

    def at(self, slots: Tensor) -> list[KeysValues]:
        """(rows, n) token numbers to (rows, heads, n, size) keys and values; below 0 is padding."""
        index = slots.clamp(min=0)
        return [(k[index].transpose(1, 2), v[index].transpose(1, 2)) for k, v in self.layers]


@dataclass
class Read:
    """What phase 2 gives."""

    hidden: Tensor
    """Last hidden states at the wanted positions, (n, width), in order."""
    kept: list[KeysValues]
    """Per layer, keys and values that a continuation reads: the VoCo tokens', then the text's."""
    visible: Tensor
    """(rows, keys), which of them the next text token sees."""


def opens_every_row(batch: Batch) -> bool:
    """Whether each row shows at most one image, right behind its prefix: read causally, it sees nothing else."""
    before = (batch.kinds != Kind.PAD).cumsum(1) - (batch.kinds == Kind.PREFIX).sum(1, keepdims=True)
    return all(before[block.row, _shown(block, "causal")[0]] == 1 for block in batch.blocks)


def _shown(block: Block, reading: str) -> np.ndarray:
    """The columns of a block that text reads."""
    return block.voco if reading == "rule" else np.concatenate([block.vision, block.voco])


def compress(
    decoder: Decoder,
    batch: Batch,
    embed: Embed,
    wanted: Wanted | None = None,
    at_once: int | None = None,
    reading: str = "rule",
) -> Compressed:
    """Phase 1. `wanted` names positions inside blocks whose last hidden states are needed too.

    at_once: how many blocks go through the decoder together; what their backward pass needs is then made again
    there, so that memory is that of so many blocks, however many there are. `embed` is called within.
    reading: "causal" keeps the vision tokens' keys too; only for images that open every row.
    """
    plan = plan_compression(batch)
    n_kept = [len(_shown(b, reading)) for b in plan.blocks]
    width = max(n_kept)
    ends = [len(c) for c in plan.columns]
    keep = pad([np.arange(end - n, end) for end, n in zip(ends, n_kept, strict=True)]).clamp(min=0)
    reads = None
    if wanted is not None:
        images = batch.segments.images.cpu().numpy()[wanted.rows, wanted.columns]
        of = np.array([plan.of_block[row, image] for row, image in zip(wanted.rows, images, strict=True)])
        reads = Reads(len(plan.blocks), of, _inside(batch, plan.of_block, plan.columns, wanted, images))

    def run(part: slice) -> Passed:
        gathered = batch.gather([b.row for b in plan.blocks[part]], plan.columns[part])
        return decoder.run(
            embed(gathered),
            gathered.positions,
            read=reads.index[part].to(batch.ids.device) if reads else None,
            keep=keep[part].to(batch.ids.device),
        )

    if at_once is None:
        passed = run(slice(None))
    else:
        starts_of_parts = range(0, len(plan.blocks), at_once)
        passed = Passed.joined([recomputed(run, slice(start, start + at_once)) for start in starts_of_parts])
    layers = [(k.transpose(1, 2).flatten(0, 1), v.transpose(1, 2).flatten(0, 1)) for k, v in passed.kept]
    starts = {block: number * width for block, number in plan.of_block.items()}
    hidden = reads.of(passed.hidden) if reads and passed.hidden is not None else None
    return Compressed(layers, starts, hidden)


def _inside(
    batch: Batch, of_block: dict, columns: list[np.ndarray], wanted: Wanted, images: np.ndarray
) -> np.ndarray:
    """The place of each wanted column within its block's `prefix | vision | VoCo`.

    The representative may stand in another row, so the place is counted within the block's own columns.
    """
    blocks = {(b.row, b.image): b for b in batch.blocks}
    places = []
    for row, column, image in zip(wanted.rows, wanted.columns, images, strict=True):
        block = blocks[row, image]
        own = np.concatenate([block.vision, block.voco])
        n_prefix = len(columns[of_block[row, image]]) - len(own)
        places.append(n_prefix + int(np.searchsorted(own, column)))
    return np.array(places, dtype=np.int64)


def from_caches(batch: Batch, caches: list[VocoCache], device: torch.device, dtype: torch.dtype) -> Compressed:
    """What phase 1 would give, from images compressed before; moved where a row wants them elsewhere."""
    starts: dict[tuple[int, int], int] = {}
    known: dict[tuple[int, int, int], int] = {}
    parts: list[VocoCache] = []
    total = 0
    positions = batch.positions.cpu()
    for block in batch.blocks:
        if not 0 <= block.image < len(caches):
            raise VocoError(f"row {block.row} shows image {block.image}, but {len(caches)} caches were given")
        cache = caches[block.image]
        _check_cache(batch, block, cache)
        if len(block.voco) > cache.n_tokens:
            raise VocoError(
                f"row {block.row} reads {len(block.voco)} VoCo tokens of image {block.image}; its cache has"
                f" {cache.n_tokens}: compress the image again with more"
            )
        place = int(positions[block.row, block.voco[0]])
        part = block.image, place, len(block.voco)
        if part not in known:
            known[part] = total
            parts.append(cache.first(len(block.voco)).moved_to(place).to(device=device, dtype=dtype))
            total += len(block.voco)
        starts[block.row, block.image] = known[part]
    tensors = [part.tensors() for part in parts]
    layers = [
        (
            torch.cat([k[i] for k, _ in tensors], 1).transpose(0, 1),
            torch.cat([v[i] for _, v in tensors], 1).transpose(0, 1),
        )
        for i in range(len(tensors[0][0]))
    ]
    return Compressed(layers, starts)


def with_prefixes(
    compressed: Compressed, batch: Batch, keys_of: Callable[[tuple[int, ...]], list[KeysValues]]
) -> Compressed:
    """The same with every row's prefix beside the images: it sees itself alone, so its keys are constants."""
    layers, prefixes = compressed.layers, {}
    known: dict[tuple[int, ...], int] = {}
    for row in range(len(batch.kinds)):
        ids = tuple(batch.ids[row, torch.from_numpy(batch.columns(row, Kind.PREFIX))].tolist())
        if ids and ids not in known:
            known[ids] = layers[0][0].shape[0]
            layers = [
                (torch.cat([k, new_k]), torch.cat([v, new_v]))
                for (k, v), (new_k, new_v) in zip(layers, keys_of(ids), strict=True)
            ]
        if ids:
            prefixes[row] = known[ids]
    return Compressed(layers, compressed.starts, compressed.hidden, prefixes)


def _check_cache(batch: Batch, block: Block, cache: VocoCache) -> None:
    """One image, compressed behind the prefix that the row has."""
    if len(cache.blocks) != 1:
        raise VocoError(
            f"cache {block.image} holds {len(cache.blocks)} images; give one for each, as split() does"
        )
    prefix = batch.columns(block.row, Kind.PREFIX)
    ids = tuple(batch.ids[block.row, torch.from_numpy(prefix)].tolist())
    if ids != cache.prefix:
        raise VocoError(
            f"row {block.row} opens with tokens {list(ids)}, the cached image {block.image} was compressed behind"
            f" {list(cache.prefix)}; compress it again with prefix_ids={list(ids)}"
        )


def read_text(
    decoder: Decoder,
    batch: Batch,
    embed: Embed,
    compressed: Compressed | None,
    wanted: Wanted,
    *,
    reading: str,
    prefix_visible: bool,
    keep: bool = False,
) -> Read:
    """Phase 2: the text on top of the images that phase 1 ran, or everything where it ran none.

    Wanted positions that lie inside blocks are taken from what phase 1 read.
    """
    shown: tuple[Kind, ...] = TEXT_KINDS if reading == "rule" or compressed else ALL_KINDS
    if compressed and compressed.prefixes:
        shown = (Kind.TEXT,)
    n_rows = len(batch.kinds)
    text = batch.gather(range(n_rows), [batch.columns(row, *shown) for row in range(n_rows)])
    slots, fixed = _fixed_tokens(batch, compressed, reading)
    queries = tokens(text.segments, text.columns)
    keys = Token(*(torch.cat(pair, 1) for pair in zip(fixed, queries, strict=True)))
    past = compressed.at(slots) if compressed else None
    embeds = embed(text)
    plain = past is None and (prefix_visible or reading == "causal")
    mask = None if plain else additive_mask(queries, keys, embeds.dtype, prefix_visible, reading)

    inside = ~np.isin(batch.kinds[wanted.rows, wanted.columns], shown)
    if inside.any() and (compressed is None or compressed.hidden is None):
        raise VocoError(
            "a cached image ends a row: what follows it cannot be predicted from a cache; add some text"
        )
    rows = wanted.rows[~inside]
    reads = Reads(n_rows, rows, locate(text.columns, rows, wanted.columns[~inside]))
    passed = decoder.run(
        embeds,
        text.positions,
        mask,
        past,
        read=reads.index.to(embeds.device) if len(rows) else None,
        keep=torch.arange(embeds.shape[1], device=embeds.device).expand(n_rows, -1) if keep else None,
    )
    outside = reads.of(passed.hidden) if passed.hidden is not None else None
    hidden = _merge(outside, compressed.hidden if compressed else None, inside)
    kept = [join(past[number] if past else None, new) for number, new in enumerate(passed.kept)]
    return Read(hidden, kept, _seen_next(keys, reading, prefix_visible))


def _fixed_tokens(batch: Batch, compressed: Compressed | None, reading: str) -> tuple[Tensor, Token]:
    """The image tokens that each row reads: their numbers among those kept, and what the rule asks."""
    numbers: list[list[int]] = [[] for _ in batch.kinds]
    columns: list[list[int]] = [[] for _ in batch.kinds]
    for row, start in compressed.prefixes.items() if compressed else ():
        columns[row].extend(batch.columns(row, Kind.PREFIX).tolist())
        numbers[row].extend(range(start, start + len(columns[row])))
    for block in batch.blocks if compressed else []:
        start = compressed.starts[block.row, block.image] if compressed else 0
        shown = _shown(block, reading)
        numbers[block.row].extend(range(start, start + len(shown)))
        columns[block.row].extend(shown.tolist())
    device = batch.ids.device
    slots = pad([np.array(x, dtype=np.int64) for x in numbers]).to(device)
    index = pad([np.array(x, dtype=np.int64) for x in columns]).to(device)
    kind = batch.segments.kinds.gather(1, index.clamp(min=0)).masked_fill(slots < 0, Kind.PAD)
    image = batch.segments.images.gather(1, index.clamp(min=0)).masked_fill(slots < 0, NO_IMAGE)
    return slots, Token(kind, image, index)


def _merge(outside: Tensor | None, inside: Tensor | None, is_inside: np.ndarray) -> Tensor:
    """States read in both phases, back in the order that they were asked for."""
    if inside is None or not is_inside.any():
        assert outside is not None
        return outside
    both = inside if outside is None else torch.cat([outside, inside])
    order = np.concatenate([np.flatnonzero(~is_inside), np.flatnonzero(is_inside)])
    return both[torch.from_numpy(np.argsort(order)).to(both.device)]


def _seen_next(keys: Token, reading: str, prefix_visible: bool) -> Tensor:
    """(rows, keys): what a text token that follows everything may see."""
    later = torch.full_like(keys.column[:, :1], torch.iinfo(torch.long).max)
    query = Token(torch.full_like(keys.kind[:, :1], Kind.TEXT), torch.full_like(later, NO_IMAGE), later)
    return sees_under(reading, query, keys, prefix_visible)
