"""A store of VoCo caches: what was compressed once is not compressed again, here or in another process.

An entry is named by what it is made of, so it never goes out of date. Locks between processes only save work:
each is waited for a bounded time, and nothing goes wrong without it.
"""

import hashlib
import json
import logging
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock
from safetensors import SafetensorError
from torch import Tensor

from voco_model.cache import VocoCache
from voco_model.errors import VocoError

COMPUTE_WAIT = 60.0
"""Seconds to wait for another that computes the same entry."""
EVICTION_WAIT = 5.0
LEFTOVER_AGE = 3600.0
"""Seconds after which the temporary and lock files of processes that died are removed."""
log = logging.getLogger(__name__)


class StoreKey(NamedTuple):
    """What an entry is made of; what else shapes it, such as a prefix of one's own, belongs in `image`."""

    model: str
    image: str
    n_voco: int

    @property
    def relative_path(self) -> Path:
        """The entry's file within a store's folder."""
        name = hashlib.sha256(json.dumps(self).encode()).hexdigest()
        return Path(name[:2], f"{name}.voco")


@dataclass(frozen=True)
class StoreStats:
    """What this store object did so far, and what its memory and its folder hold now."""

    hits_memory: int
    hits_disk: int
    misses: int
    damaged: int
    """Files that were unreadable or not what their name says, and were removed."""
    evicted: int
    """Entries that a limit pushed out of memory or off the disk."""
    memory_bytes: int
    disk_bytes: int
    entries: int
    """In memory, on disk or both."""


class VocoCacheStore:
    """Compressed images by `StoreKey`: the last used in memory, more of them in a folder.

    Threads may share a store, processes a folder, each through a store of its own. Tensors are shared with
    the caller, so do not write into them. What comes from the folder is on the CPU.
    """

    def __init__(
        self, folder: Path | str | None = None, *, memory_bytes: int = 64 * 2**20, disk_bytes: int = 2**30
    ) -> None:
        """Without a folder there is memory only. Beyond a limit the least recently used entries go."""
        for name, limit in (("memory_bytes", memory_bytes), ("disk_bytes", disk_bytes)):
            if limit <= 0:
                raise VocoError(f"{name} is {limit}; a store needs at least one byte")
        self._folder = None if folder is None else Path(folder)
        try:
            if self._folder:
                self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VocoError(f"{folder}: cannot be made a folder ({error}); choose another") from None
        self._memory_limit, self._disk_limit = memory_bytes, disk_bytes
        self._lock = threading.RLock()
        self._memory: OrderedDict[StoreKey, VocoCache] = OrderedDict()
        self._memory_bytes = self._last_use = 0
        self._counts: Counter[str] = Counter(hits_memory=0, hits_disk=0, misses=0, damaged=0, evicted=0)

    def get(self, key: StoreKey) -> VocoCache | None:
        """The entry, or None where there is no whole one."""
        cache = self._find(key)
        if cache is None:
            self._count("misses")
        return cache

    def put(self, key: StoreKey, cache: VocoCache) -> None:
        """Keep the cache of one image; in memory only, with a warning, if the folder is not writable."""
        if not _is_entry(key, cache):
            raise VocoError(
                f"the cache holds {cache.blocks} of model {cache.model!r}, not the one image of {key};"
                " put each part of split() under its own key"
            )
        self._remember(key, cache)
        if self._folder:
            self._write(self._folder / key.relative_path, cache)

    def get_or_compute(self, key: StoreKey, compute: Callable[[], VocoCache]) -> VocoCache:
        """The entry, computed and kept if it is missing.

        With a folder, one process or thread computes it and the others wait, for a minute at most.
        """
        cache = self._find(key)
        if cache is not None:
            return cache
        lock = self._folder and (self._folder / key.relative_path).with_suffix(".voco.lock")
        with _turn(lock, COMPUTE_WAIT) if lock else nullcontext():
            cache = self.get(key)
            if cache is None:
                cache = compute()
                self.put(key, cache)
        return cache

    def stats(self) -> StoreStats:
        """The counts are this object's own, the folder's bytes and entries everyone's."""
        files = self._files("??/*.voco")
        with self._lock:
            names = {key.relative_path.name for key in self._memory} | {file.name for file in files}
            return StoreStats(
                **self._counts,
                memory_bytes=self._memory_bytes,
                disk_bytes=sum(status.st_size for status in files.values()),
                entries=len(names),
            )

    def clear(self) -> None:
        """Drop every entry of this store's memory and of the folder; the counts go on."""
        with self._lock:
            self._memory.clear()
            self._memory_bytes = 0
        for file in self._files("??/*.voco"):
            _remove(file)

    def _count(self, event: str) -> None:
        with self._lock:
            self._counts[event] += 1

    def _find(self, key: StoreKey) -> VocoCache | None:
        with self._lock:
            cache = self._memory.get(key)
            if cache is not None:
                self._memory.move_to_end(key)
                self._count("hits_memory")
        if not self._folder:
            return cache
        file = self._folder / key.relative_path
        if cache is None:
            cache = self._read(file, key)
        if cache is not None:
            self._touch(file)
        return cache

    def _remember(self, key: StoreKey, cache: VocoCache) -> None:
        kept = _owned(cache) if cache.nbytes <= self._memory_limit else None
        with self._lock:
            if key in self._memory:
                self._memory_bytes -= self._memory.pop(key).nbytes
            if kept:
                self._memory[key] = kept
                self._memory_bytes += kept.nbytes
            while self._memory_bytes > self._memory_limit:
                self._memory_bytes -= self._memory.popitem(last=False)[1].nbytes
                self._count("evicted")

    def _read(self, file: Path, key: StoreKey) -> VocoCache | None:
        if not file.exists():
            return None
        with suppress(Exception):  # damaged bytes may fail in any way
            cache = VocoCache.load(file)
            if _is_entry(key, cache):
                self._count("hits_disk")
                self._remember(key, cache)
                return cache
        if _remove(file):  # otherwise it was evicted while it was read
            self._count("damaged")
        return None

    def _write(self, file: Path, cache: VocoCache) -> None:
        if cache.nbytes > self._disk_limit:
            _remove(file)
            return
        try:
            cache.save(file)
        except (OSError, SafetensorError) as error:
            log.warning("%s: cannot be written (%s); the entry is in memory only", file, error)
        self._touch(file)
        with _turn(file.parents[1] / "eviction.lock", EVICTION_WAIT):
            self._evict(newest=file)

    def _touch(self, file: Path) -> None:
        with self._lock:  # two uses differ however coarse the clock is
            self._last_use = now = max(time.time_ns(), self._last_use + 1)
        with suppress(OSError):
            os.utime(file, ns=(now, now))

    def _evict(self, newest: Path) -> None:
        for leftover, status in (self._files("??/.*.voco.*.tmp") | self._files("??/*.voco.lock")).items():
            if time.time() - status.st_mtime > LEFTOVER_AGE:
                _remove(leftover)
        files = self._files("??/*.voco")
        over = sum(status.st_size for status in files.values()) - self._disk_limit

        def turn_to_go(file: Path) -> tuple[bool, bool, int]:
            """What cannot fit at all goes first and what was just written last, whatever the clocks say."""
            return files[file].st_size <= self._disk_limit, file == newest, files[file].st_mtime_ns

        for file in sorted(files, key=turn_to_go):
            if over > 0:
                over -= files[file].st_size
                if _remove(file):
                    self._count("evicted")

    def _files(self, pattern: str) -> dict[Path, os.stat_result]:
        found = {}
        for file in self._folder.glob(pattern) if self._folder else ():
            with suppress(OSError):
                found[file] = file.stat()
        return found


def _is_entry(key: StoreKey, cache: VocoCache) -> bool:
    return (cache.model, cache.blocks, cache.n_tokens) == (key.model, ((key.image, key.n_voco),), key.n_voco)


def _owned(cache: VocoCache) -> VocoCache:
    """Without autograd, and with copies of views, which would keep the whole batch they are of in memory."""

    def own(tensor: Tensor) -> Tensor:
        is_view = tensor.untyped_storage().nbytes() > tensor.nbytes
        return tensor.detach().clone() if is_view else tensor.detach()

    named = {name: own(tensor) for name, tensor in cache._named().items()}
    return VocoCache._from_named(named, json.loads(cache._about()))


def _remove(file: Path) -> bool:
    """Whether it was this call that removed the file."""
    with suppress(OSError):
        file.unlink()
        return True
    return False


@contextmanager
def _turn(file: Path, seconds: float) -> Iterator[None]:
    """The block, alone among threads and processes, or after `seconds` not alone."""
    lock = FileLock(file)
    with suppress(OSError, RuntimeError):  # what a timeout raises is an OSError
        lock.acquire(timeout=seconds)
    try:
        yield
    finally:
        if lock.is_locked:
            _remove(file)  # whoever waits for it notices, and goes on with a new one
            lock.release()
