"""Limits hold, and the least recently used goes first; the memory against a plain model of it."""

import os
import time
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.voco_model.store.entries import TOKEN_BYTES, cache_of, disk_only, files, fill, held, key_of, same
from voco_model.store import StoreKey, VocoCacheStore


def test_memory_evicts_the_least_recently_used():
    store = VocoCacheStore(memory_bytes=3 * 2 * TOKEN_BYTES)
    fill(store, 0, 1, 2)
    store.get(key_of(0))
    fill(store, 3, 2, 4)
    assert held(store, range(5)) == [2, 3, 4]
    assert store.stats().evicted == 2
    assert store.stats().memory_bytes == 6 * TOKEN_BYTES


@pytest.mark.parametrize("clock", ["running", "standing still"])
def test_disk_evicts_the_least_recently_used(folder: Path, file_bytes: int, clock: str, monkeypatch):
    if clock == "standing still":
        monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    store = disk_only(folder, 3 * file_bytes + 5)
    fill(store, 0, 1, 2)
    store.get(key_of(0))
    fill(store, 3, 2, 4)
    assert held(store, range(5)) == [2, 3, 4]
    assert store.stats().evicted == 2
    assert store.stats().disk_bytes == 3 * file_bytes


def test_a_hit_in_memory_keeps_the_file_young(folder: Path, file_bytes: int):
    store = VocoCacheStore(folder, disk_bytes=2 * file_bytes)
    fill(store, 0, 1)
    store.get(key_of(0))
    fill(store, 2)
    assert held(disk_only(folder), range(3)) == [0, 2]


def test_what_was_just_written_stays_even_beside_files_of_the_future(folder: Path, file_bytes: int):
    store = disk_only(folder, 2 * file_bytes)
    fill(store, 0, 1)
    for file in files(folder):
        os.utime(file, (time.time() + 9999,) * 2)
    fill(store, 2)
    assert store.get(key_of(2)) is not None
    assert store.stats().disk_bytes == 2 * file_bytes


def test_an_entry_too_large_for_memory_is_on_disk(folder: Path):
    store = VocoCacheStore(folder, memory_bytes=3 * TOKEN_BYTES)
    fill(store, 0)
    large = key_of(1, 4)
    store.put(large, cache_of(large))
    assert same(store.get(large), cache_of(large))
    store.get(key_of(0))
    stats = store.stats()
    assert (stats.hits_memory, stats.hits_disk, stats.evicted) == (1, 1, 0)
    assert stats.memory_bytes == 2 * TOKEN_BYTES


@pytest.mark.parametrize("spare", [-1, 10**4], ids=["by its header", "by far"])
def test_an_entry_too_large_for_the_disk_pushes_nothing_out(folder: Path, file_bytes: int, spare: int):
    large = key_of(9, 40)
    its_bytes = cache_of(large).save(folder.parent / "large").stat().st_size
    store = VocoCacheStore(folder, disk_bytes=its_bytes - (1 if spare < 0 else spare))
    fill(store, 0, 1)
    assert same(store.get_or_compute(large, lambda: cache_of(large)), cache_of(large))
    assert same(store.get(large), cache_of(large))
    assert len(files(folder)) == 2
    assert store.stats().evicted == (spare < 0)


def test_a_smaller_limit_holds_from_the_next_put_on(folder: Path, file_bytes: int):
    fill(VocoCacheStore(folder), *range(6))
    store = disk_only(folder, 2 * file_bytes)
    fill(store, 6)
    assert held(store, range(7)) == [5, 6]


def test_leftovers_of_the_dead_go_and_what_is_not_the_stores_stays(folder: Path):
    store = VocoCacheStore(folder)
    fill(store, 0)
    entry = files(folder)[0]
    leftovers = [entry.with_name(f".{entry.name}.abc.tmp"), entry.with_suffix(".voco.lock")]
    others = [folder / "notes.voco", *(entry.with_name(name) for name in ("notes.tmp", "notes.lock"))]
    for file in leftovers + others:
        file.touch()
    fill(store, 1)
    assert all(file.exists() for file in leftovers)
    for file in leftovers + others:
        os.utime(file, (time.time() - 3700,) * 2)
    fill(store, 2)
    assert not any(file.exists() for file in leftovers)
    store.clear()
    assert all(file.exists() for file in others)


class MemoryAgainstModel(RuleBasedStateMachine):
    """The memory tier against a list of keys in order of use."""

    keys = st.builds(key_of, st.integers(0, 5), st.integers(1, 5))
    limit = 8

    def __init__(self) -> None:
        super().__init__()
        self.store = VocoCacheStore(memory_bytes=self.limit * TOKEN_BYTES)
        self.model: OrderedDict[StoreKey, int] = OrderedDict()
        self.evicted = self.hits = self.misses = 0

    def _put_in_model(self, key: StoreKey) -> None:
        self.model.pop(key, None)
        if key.n_voco <= self.limit:
            self.model[key] = key.n_voco
        while sum(self.model.values()) > self.limit:
            self.model.popitem(last=False)
            self.evicted += 1

    @rule(key=keys | st.builds(key_of, st.just(7), st.integers(7, 10)))
    def put(self, key: StoreKey) -> None:
        self.store.put(key, cache_of(key))
        self._put_in_model(key)

    @rule(key=keys, computing=st.booleans())
    def get(self, key: StoreKey, computing: bool) -> None:
        got = self.store.get_or_compute(key, lambda: cache_of(key)) if computing else self.store.get(key)
        assert (got is not None) == (computing or key in self.model)
        assert got is None or same(got, cache_of(key))
        if key in self.model:
            self.hits += 1
            self.model.move_to_end(key)
            return
        self.misses += 1
        if computing:
            self._put_in_model(key)

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.model.clear()

    @invariant()
    def agrees(self) -> None:
        stats = self.store.stats()
        assert stats.memory_bytes == sum(self.model.values()) * TOKEN_BYTES <= self.limit * TOKEN_BYTES
        assert (stats.entries, stats.evicted) == (len(self.model), self.evicted)
        assert (stats.hits_memory, stats.misses) == (self.hits, self.misses)


TestMemoryAgainstModel = MemoryAgainstModel.TestCase
TestMemoryAgainstModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
