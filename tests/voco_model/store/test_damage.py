"""Damaged entries are computed again; no flipped byte is ever served."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.voco_model.store.entries import cache_of, disk_only, files, fill, key_of, same
from voco_model.cache import VocoCache
from voco_model.store import StoreKey, VocoCacheStore


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
