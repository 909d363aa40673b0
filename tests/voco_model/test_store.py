"""The store: what it serves is always what was put, within its limits, whatever happens to its folder."""

import hashlib
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from torch import Tensor

from voco_model import store as store_module
from voco_model.cache import VocoCache
from voco_model.errors import VocoError
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


@pytest.fixture
def file_bytes(tmp_path: Path) -> int:
    return cache_of(key_of(0)).save(tmp_path / "one entry").stat().st_size


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def disk_only(folder: Path, disk_bytes: int = 2**30) -> VocoCacheStore:
    return VocoCacheStore(folder, memory_bytes=1, disk_bytes=disk_bytes)


# Keys and refusals


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


# What is kept


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


# Limits and order


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


# Damage


def assert_recomputed(folder: Path) -> None:
    """The damaged entry of key 0 is removed, computed again, and whole for the next store."""
    store = VocoCacheStore(folder)
    assert store.get(key_of(0)) is None
    assert files(folder) == []
    assert (store.stats().damaged, store.stats().misses) == (1, 1)
    store.get_or_compute(key_of(0), lambda: cache_of(key_of(0)))
    assert same(VocoCacheStore(folder).get(key_of(0)), cache_of(key_of(0)))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "header cut": lambda whole: whole[:5],
    "description cut": lambda whole: whole[:100],
    "half": lambda whole: whole[: len(whole) // 2],
    "last byte missing": lambda whole: whole[:-1],
    "one byte more": lambda whole: whole + b"\0",
    "zeros": lambda whole: bytes(len(whole)),
    "noise": lambda whole: random.Random(0).randbytes(len(whole)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_recomputed(folder: Path, damage: str):
    fill(VocoCacheStore(folder), 0)
    [file] = files(folder)
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    assert_recomputed(folder)


def test_a_folder_in_the_place_of_an_entry_is_a_miss(folder: Path):
    fill(VocoCacheStore(folder), 0)
    [file] = files(folder)
    file.unlink()
    file.mkdir()
    store = VocoCacheStore(folder)
    assert store.get(key_of(0)) is None
    assert same(store.get_or_compute(key_of(0), lambda: cache_of(key_of(0))), cache_of(key_of(0)))


@pytest.mark.parametrize("other", [key_of(1), key_of(0, 3), StoreKey("another", "image 0", 2)])
def test_an_entry_under_the_name_of_another_is_recomputed(folder: Path, other: StoreKey):
    store = VocoCacheStore(folder)
    store.put(other, cache_of(other))
    target = folder / key_of(0).relative_path
    target.parent.mkdir(exist_ok=True)
    os.replace(folder / other.relative_path, target)
    assert_recomputed(folder)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0xFF])
def test_no_flipped_byte_is_ever_served(folder: Path, flip: int):
    """Every byte of the file: its header, its description, its tensors."""
    store = disk_only(folder)
    fill(store, 0)
    [file] = files(folder)
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
        got = store.get(key_of(0))
        assert got is None or same(got, cache_of(key_of(0))), place
    stats = store.stats()
    assert stats.damaged + stats.hits_disk == len(whole)
    assert stats.hits_disk < 8  # white space that became other white space


def test_what_was_served_does_not_change_with_its_file(folder: Path):
    fill(VocoCacheStore(folder), 0)
    store = VocoCacheStore(folder)
    got = store.get(key_of(0))
    [file] = files(folder)
    with file.open("r+b") as opened:
        opened.write(bytes(file.stat().st_size))
    assert same(got, cache_of(key_of(0)))
    assert same(store.get(key_of(0)), cache_of(key_of(0)))


def test_an_entry_that_vanishes_while_it_is_read_is_a_miss(folder: Path, monkeypatch):
    store = disk_only(folder)
    fill(store, 0)
    load = VocoCache.load

    def evicted_meanwhile(path: Path) -> VocoCache:
        path.unlink()
        return load(path)

    monkeypatch.setattr(VocoCache, "load", evicted_meanwhile)
    assert store.get(key_of(0)) is None
    assert (store.stats().misses, store.stats().damaged) == (1, 0)


# Many at once


def test_threads_compute_an_entry_once(folder: Path):
    store, computed = VocoCacheStore(folder), []

    def compute() -> VocoCache:
        computed.append(1)
        time.sleep(0.2)
        return cache_of(key_of(0))

    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda _: store.get_or_compute(key_of(0), compute), range(6)))
    assert all(same(each, cache_of(key_of(0))) for each in got)
    assert len(computed) == store.stats().misses == 1


def test_a_failed_computation_leaves_no_lock(folder: Path):
    store = VocoCacheStore(folder)
    with pytest.raises(ZeroDivisionError):
        store.get_or_compute(key_of(0), lambda: 1 / 0)
    assert list(folder.rglob("*.lock")) == []
    start = time.monotonic()
    store.get_or_compute(key_of(0), lambda: cache_of(key_of(0)))
    assert time.monotonic() - start < 5


def use_at_random(store: VocoCacheStore, seed: int, steps: int) -> None:
    """Every kind of use, and damage to the files; whatever is served must be what belongs to its key."""
    choose = random.Random(seed)
    for _ in range(steps):
        key = key_of(choose.randrange(8), choose.randint(1, 3))
        use = choose.choice(["get", "get", "put", "compute", "compute", "damage", "stats", "clear"])
        if use == "put":
            store.put(key, cache_of(key))
        elif use == "compute":
            assert same(store.get_or_compute(key, lambda key=key: cache_of(key)), cache_of(key))
        elif use == "damage" and store._folder:
            # As a crash or a bad disk would leave it; a mapped file that shrinks kills any reader.
            target = store._folder / key.relative_path
            target.parent.mkdir(exist_ok=True)
            other = target.with_suffix(f".damaged-{seed}")
            other.write_bytes(choose.randbytes(choose.randrange(2000)))
            os.replace(other, target)
        elif use == "stats":
            store.stats()
        elif use == "clear" and choose.random() < 0.2:
            store.clear()
        else:
            got = store.get(key)
            assert got is None or same(got, cache_of(key))


@pytest.mark.parametrize("with_folder", [False, True])
def test_threads_share_a_store(folder: Path, with_folder: bool):
    store = VocoCacheStore(folder if with_folder else None, memory_bytes=9 * TOKEN_BYTES, disk_bytes=9000)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: use_at_random(store, seed, 60), range(4)))
    fill(store, 0)
    stats = store.stats()
    assert stats.memory_bytes <= 9 * TOKEN_BYTES
    assert stats.memory_bytes == sum(cache.nbytes for cache in store._memory.values())
    assert stats.disk_bytes <= 9000


def one_of_many(folder: Path, seed: int, all_here: threading.Barrier) -> None:
    store = VocoCacheStore(folder, memory_bytes=3 * TOKEN_BYTES, disk_bytes=9000)
    shared = key_of(100)

    def compute() -> VocoCache:
        (folder / f"computed by {seed}").touch()
        time.sleep(0.3)
        return cache_of(shared)

    all_here.wait(60)
    assert same(store.get_or_compute(shared, compute), cache_of(shared))
    all_here.wait(60)
    use_at_random(store, seed, 50)
    store.put(shared, cache_of(shared))


def test_processes_share_a_folder(folder: Path):
    """One computes what all want; then each does as it likes within the limit, and every one ends well."""
    folder.mkdir()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # so that only one process imports torch
    all_here = context.Barrier(4)
    processes = [context.Process(target=one_of_many, args=(folder, seed, all_here)) for seed in range(4)]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * 4
    finally:
        for process in processes:
            if process.pid:
                process.kill()
                process.join()
    assert len(list(folder.glob("computed by *"))) == 1
    assert 0 < sum(file.stat().st_size for file in files(folder)) <= 9000
    assert not [*folder.rglob("*.tmp"), *folder.rglob("*.lock")]


@contextmanager
def holder_of(lock: Path) -> Iterator[subprocess.Popen]:
    """Another process that holds a lock until it is killed."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    code = (
        "import sys, time, filelock; lock = filelock.FileLock(sys.argv[1]);"
        "lock.acquire(); print('held', flush=True); time.sleep(99)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def lock_of(folder: Path, key: StoreKey) -> Path:
    return (folder / key.relative_path).with_suffix(".voco.lock")


def test_a_killed_holder_of_a_lock_blocks_nobody(folder: Path):
    store = VocoCacheStore(folder)
    with holder_of(lock_of(folder, key_of(0))) as holder, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.get_or_compute, key_of(0), lambda: cache_of(key_of(0)))
        time.sleep(0.3)
        assert not waiting.done()
        holder.kill()
        assert same(waiting.result(timeout=10), cache_of(key_of(0)))


def test_a_hung_holder_of_a_lock_is_waited_for_only_so_long(folder: Path, file_bytes: int, monkeypatch):
    monkeypatch.setattr(store_module, "COMPUTE_WAIT", 0.2)
    monkeypatch.setattr(store_module, "EVICTION_WAIT", 0.2)
    store = disk_only(folder, 2 * file_bytes)
    with holder_of(lock_of(folder, key_of(0))), holder_of(folder / "eviction.lock"):
        store.get_or_compute(key_of(0), lambda: cache_of(key_of(0)))
        fill(store, 1, 2)
        assert held(store, range(3)) == [1, 2]
        assert lock_of(folder, key_of(0)).exists()
