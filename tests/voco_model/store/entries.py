"""Keys, their one right content, and what a store holds of them."""

import hashlib
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from voco_model.cache import VocoCache
from voco_model.store import StoreKey, VocoCacheStore

TOKEN_BYTES = 2 * 2 * 3 * 8 * 4
"""Keys and values of one token in the caches made here."""


def key_of(number: int, n_voco: int = 2) -> StoreKey:
    return StoreKey("model", f"image {number}", n_voco)


@cache
def cache_of(key: StoreKey) -> VocoCache:
    """The one right content of a key."""
    seed = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:6])
    generator = torch.Generator().manual_seed(seed)

    def stored() -> Tensor:
        return torch.randn(2, 3, key.n_voco, 8, generator=generator)

    positions, blocks = torch.arange(1, 1 + key.n_voco), ((key.image, key.n_voco),)
    return VocoCache(stored(), stored(), positions, blocks, key.model, torch.ones(4), gap=seed % 5)


def named(cache: VocoCache) -> dict[str, Tensor]:
    keys, values = cache.tensors()
    return {"k": keys, "v": values, "p": cache.positions, "f": cache.inverse_frequencies}


def same(got: VocoCache | None, expected: VocoCache) -> bool:
    if got is None or (got.model, got.blocks, got.gap) != (expected.model, expected.blocks, expected.gap):
        return False
    wanted = named(expected)
    return all(torch.equal(tensor, wanted[name]) for name, tensor in named(got).items())


def fill(store: VocoCacheStore, *numbers: int) -> None:
    for number in numbers:
        store.put(key_of(number), cache_of(key_of(number)))


def held(store: VocoCacheStore, numbers: range) -> list[int]:
    """Which of the numbers are in the store."""
    return [number for number in numbers if store.get(key_of(number)) is not None]


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.voco"))


def disk_only(folder: Path, disk_bytes: int = 2**30) -> VocoCacheStore:
    return VocoCacheStore(folder, memory_bytes=1, disk_bytes=disk_bytes)
