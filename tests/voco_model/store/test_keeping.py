"""What a store keeps and serves, and what it refuses to."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.voco_model.store.entries import TOKEN_BYTES, cache_of, disk_only, files, fill, key_of, same
from voco_model.cache import VocoCache
from voco_model.errors import VocoError
from voco_model.store import StoreKey, VocoCacheStore


def test_paths_are_safe_short_and_distinct():
    keys = [
        StoreKey("a", "bc", 1),
        StoreKey("ab", "c", 1),
        StoreKey("a", "bc", 11),
        StoreKey("../../x", "\0/\\:\ud800 é", 2),
        StoreKey("", "", 0),
    ]
    paths = [key.relative_path for key in keys]
    assert len(set(paths)) == len(keys)
    for path in paths:
        shard, name = path.parts
        assert shard == name[:2]
        assert set(name.removesuffix(".voco")) <= set("0123456789abcdef")


@pytest.mark.parametrize("limit", ["memory_bytes", "disk_bytes"])
@pytest.mark.parametrize("size", [0, -1])
def test_a_limit_below_one_byte_is_refused(limit: str, size: int):
    with pytest.raises(VocoError, match=limit):
        VocoCacheStore(**{limit: size})


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(VocoError, match="choose another"):
        VocoCacheStore(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    "wrong",
    [
        replace(cache_of(key_of(0)), model="another"),
        replace(cache_of(key_of(0)), positions=torch.arange(3)),
        cache_of(key_of(1)),
        cache_of(key_of(0, 3)),
        VocoCache.concat([cache_of(key_of(0)), cache_of(key_of(1))]),
    ],
    ids=["model", "positions", "image", "tokens", "two images"],
)
def test_a_cache_under_the_wrong_key_is_refused(folder: Path, wrong: VocoCache):
    store = VocoCacheStore(folder)
    with pytest.raises(VocoError, match="under its own key"):
        store.put(key_of(0), wrong)
    with pytest.raises(VocoError, match="under its own key"):
        store.get_or_compute(key_of(0), lambda: wrong)
    assert store.stats().entries == 0


def test_memory_only():
    store = VocoCacheStore()
    assert store.get(key_of(0)) is None
    fill(store, 0)
    assert same(store.get(key_of(0)), cache_of(key_of(0)))
    assert same(store.get_or_compute(key_of(1), lambda: cache_of(key_of(1))), cache_of(key_of(1)))
    stats = store.stats()
    assert (stats.hits_memory, stats.hits_disk, stats.misses, stats.entries) == (1, 0, 2, 2)
    assert (stats.memory_bytes, stats.disk_bytes) == (4 * TOKEN_BYTES, 0)
    store.clear()
    assert store.get(key_of(0)) is None
    assert store.stats().memory_bytes == 0


def test_entries_outlive_the_store(folder: Path):
    fill(VocoCacheStore(folder), 0, 1)
    store = VocoCacheStore(str(folder))
    for _ in range(2):
        assert same(store.get(key_of(1)), cache_of(key_of(1)))
    stats = store.stats()
    assert (stats.hits_memory, stats.hits_disk, stats.entries) == (1, 1, 2)
    assert stats.disk_bytes == sum(file.stat().st_size for file in files(folder))
    store.clear()
    assert files(folder) == []


def test_memory_shares_tensors_but_keeps_no_batch_and_no_graph():
    store = VocoCacheStore()
    fill(store, 0)
    assert store.get(key_of(0)).keys.data_ptr() == cache_of(key_of(0)).keys.data_ptr()
    batch = VocoCache.concat([cache_of(key_of(n)) for n in range(1, 9)])
    part = batch.split()[2]
    store.put(key_of(3), replace(part, values=part.values.clone().requires_grad_() * 1))
    got = store.get(key_of(3))
    assert torch.equal(got.keys, part.keys)
    assert got.keys.untyped_storage().nbytes() == got.keys.nbytes < batch.keys.nbytes
    assert not got.values.requires_grad


def test_int8_caches_stay_int8(folder: Path):
    small = cache_of(key_of(0)).quantised()
    VocoCacheStore(folder).put(key_of(0), small)
    for store in (VocoCacheStore(folder), disk_only(folder)):
        got = store.get(key_of(0))
        assert got.is_quantised
        assert same(got, small)


def test_a_folder_that_cannot_be_written_costs_only_the_disk(folder: Path, monkeypatch, caplog):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = VocoCacheStore(folder)
    monkeypatch.setattr(VocoCache, "save", full)
    store.get_or_compute(key_of(0), lambda: cache_of(key_of(0)))
    assert "No space left" in caplog.text
    assert same(store.get(key_of(0)), cache_of(key_of(0)))
    assert files(folder) == []
