"""Which pairs of videos are worth a look: locality-sensitive hashing on the pictures' hashes.

Each hash of 64 bits is cut into six blocks; each two of them make a key, fifteen keys in all. Two
hashes that differ in at most four bits share at least one key, and most that differ in eight do,
while two pictures by chance share one in 140,000 cases. Keys are sorted and only neighbours
in the sorted order are compared, so the cost is n log n and a picture that everybody has (a logo)
costs no more than any other.

Source: Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling", 2007, section 3.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

BLOCKS = (11, 11, 11, 11, 10, 10)
"""Bits of each block, 64 in all."""

WINDOW = 12
"""Neighbours in the order of a key that a hash is compared with."""

Pairs = NDArray[np.int64]


def candidate_pairs(
    hashes: NDArray[np.int64],
    owners: NDArray[np.int64],
    *,
    max_bits: int,
    fresh: NDArray[np.bool_] | None = None,
) -> Pairs:
    """Pairs of videos that have pictures which are alike.

    Args:
        hashes: (n,) int64, one per picture.
        owners: (n,) index of the video that each belongs to.
        max_bits: Alike means to differ in at most so many bits.
        fresh: (n_videos,) bool; only pairs with one of these are wanted. None: all pairs.

    Returns:
        (k, 2) int64, the lower index first, sorted, each pair once.
    """
    bits = hashes.view(np.uint64)
    found = [np.zeros((0, 2), dtype=np.int64)]
    for key in _keys(bits):
        picked = _near_fresh(key, owners, fresh)
        # within a key, equal hashes lie side by side: copies of one video stay chained together
        order = picked[np.lexsort((owners[picked], bits[picked], key[picked]))]
        found.append(_neighbours(key[order], bits[order], owners[order], max_bits))
    pairs = np.concatenate(found)
    if fresh is not None:
        pairs = pairs[fresh[pairs].any(axis=1)]
    return np.unique(pairs, axis=0)


def hamming(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Count the bits in which hashes differ, broadcast."""
    apart: NDArray[np.uint8] = np.bitwise_count(a ^ b)
    return apart


def _keys(bits: NDArray[np.uint64]) -> list[NDArray[np.uint32]]:
    """Fifteen keys of at most 22 bits, each (n,)."""
    starts = np.cumsum([0, *BLOCKS])
    blocks = [
        ((bits >> np.uint64(start)) & np.uint64((1 << width) - 1)).astype(np.uint32)
        for start, width in zip(starts, BLOCKS, strict=False)
    ]
    return [(a << np.uint32(11)) | b for a, b in combinations(blocks, 2)]


def _near_fresh(
    key: NDArray[np.uint32], owners: NDArray[np.int64], fresh: NDArray[np.bool_] | None
) -> NDArray[np.intp]:
    """Positions whose key occurs in a fresh video."""
    if fresh is None:
        return np.arange(len(key))
    wanted = np.zeros(1 << 22, dtype=np.bool_)
    wanted[key[fresh[owners]]] = True
    return np.flatnonzero(wanted[key])


def _neighbours(
    key: NDArray[np.uint32],
    bits: NDArray[np.uint64],
    owners: NDArray[np.int64],
    max_bits: int,
) -> Pairs:
    """Pairs of owners within `WINDOW` places of each other that share a key and are alike."""
    found = [np.zeros((0, 2), dtype=np.int64)]
    for apart in range(1, min(WINDOW, len(key) - 1) + 1):
        first = np.flatnonzero(key[:-apart] == key[apart:])
        if not len(first):
            break
        second = first + apart
        near = (owners[first] != owners[second]) & (hamming(bits[first], bits[second]) <= max_bits)
        both = np.stack([owners[first[near]], owners[second[near]]], axis=1)
        both.sort(axis=1)
        found.append(np.unique(both, axis=0))
    return np.concatenate(found)
