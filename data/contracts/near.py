"""Pictures that look alike: 64-bit difference hashes a few bits apart, found without comparing all pairs."""

from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_DISTANCE = 8
"""More different bits than this say nothing about likeness."""
FEWEST_BITS = 4
"""A hash with fewer bits set (or unset) belongs to a plain picture, which resembles every other plain picture."""
NEIGHBOURS = 512
MAX_PAIRS = 4_000_000
"""Bounds on time and memory, which only a data set with masses of likenesses reaches: hashes that share two bands
are compared with so many that follow them in order, and once so many pairs are found only with the next one."""


def hashes_of(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The hashes as integers, and which of them say something; text that is not 16 hex digits says nothing."""
    valid = pc.fill_null(pc.match_substring_regex(column, "^[0-9a-fA-F]{16}$"), False).to_numpy()
    hashes = np.zeros(len(column), np.uint64)
    hashes[valid] = np.frombuffer(bytes.fromhex("".join(column.filter(pa.array(valid)).to_pylist())), ">u8")
    bits = np.bitwise_count(hashes)
    return hashes, valid & (bits >= FEWEST_BITS) & (bits <= 64 - FEWEST_BITS)


def near_pairs(hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of all pairs of different hashes at most `distance` bits apart; `hashes` rise and are unique.

    Split into distance + 2 bands of bits, two such hashes agree in at least two bands, so only those that
    do are compared.
    """
    found: list[np.ndarray] = []
    edges = np.linspace(0, 64, distance + 3).astype(int)
    bands = [_bits(hashes, low, high) for low, high in pairwise(edges)]
    for one, (other, width) in combinations(bands, 2) if distance else ():
        key = (one[0] << np.uint64(width)) | other
        enough = sum(map(len, found)) >= MAX_PAIRS
        found.append(_alike(hashes, key, distance, 1 if enough else NEIGHBOURS))
    pairs = np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 2), np.int64)
    return pairs[:, 0], pairs[:, 1]


def groups(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """For each place the smallest place that pairs lead to from it."""
    label = np.arange(count)
    while True:
        before = label.copy()
        smaller = np.minimum(label[one], label[other])
        np.minimum.at(label, one, smaller)
        np.minimum.at(label, other, smaller)
        label = label[label]
        if np.array_equal(before, label):
            return label


def _bits(hashes: np.ndarray, low: int, high: int) -> tuple[np.ndarray, int]:
    """One band as a number, and its width."""
    width = int(high - low)
    return (hashes >> np.uint64(low)) & np.uint64((1 << width) - 1), width


def _alike(hashes: np.ndarray, key: np.ndarray, distance: int, neighbours: int) -> np.ndarray:
    """Pairs with the same key that are near."""
    order = np.argsort(key, kind="stable")
    key, ordered = key[order], hashes[order]
    found = [np.empty((0, 2), np.int64)]
    places = np.arange(len(key))
    for step in range(1, neighbours + 1):
        places = places[places + step < len(key)]
        places = places[key[places] == key[places + step]]
        if not len(places) or sum(map(len, found)) >= MAX_PAIRS:
            break
        near = places[np.bitwise_count(ordered[places] ^ ordered[places + step]) <= distance]
        found.append(np.sort(np.stack([order[near], order[near + step]], axis=1), axis=1))
    return np.concatenate(found)
