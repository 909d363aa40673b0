"""Threads and processes that share a store: each entry computed once, no lock left by the dead."""

import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.voco_model.store.entries import TOKEN_BYTES, cache_of, disk_only, files, fill, held, key_of, same
from voco_model import store as store_module
from voco_model.cache import VocoCache
from voco_model.store import StoreKey, VocoCacheStore


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
