"""Find near-duplicates: candidates by their pictures, proof by order in time, sound and vectors."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.duplicates.blocking import candidate_pairs
from kinoloop.duplicates.config import DuplicatesConfig
from kinoloop.duplicates.match import Match, Print, match

logger = logging.getLogger(__name__)

SAME_BITS = 4
"""A picture this near to the one before it is not indexed again."""


@dataclass(frozen=True)
class Pair:
    """Two videos that show the same.

    Attributes:
        a: Position of the one.
        b: Position of the other, higher.
        match: How their pictures and sounds agree.
        cosine: Of their visual vectors; NaN where one has none.
    """

    a: int
    b: int
    match: Match
    cosine: float


def find_pairs(
    prints: Sequence[Print],
    config: DuplicatesConfig,
    *,
    vectors: NDArray[np.float32] | None = None,
    fresh: NDArray[np.bool_] | None = None,
) -> list[Pair]:
    """Find the pairs that show the same.

    Args:
        prints: One per video; a video without pictures has empty arrays.
        config: What counts as the same.
        vectors: (n, dim) float32 visual vectors, unit length; a zero row where there is none.
        fresh: (n,) bool; only pairs with one of these are looked for. None: all.

    Returns:
        Sorted by position.
    """
    hashes, owners = _index(prints)
    pairs = candidate_pairs(hashes, owners, max_bits=config.max_bits, fresh=fresh)
    found = []
    for a, b in pairs.tolist():
        cosine = _cosine(vectors, a, b)
        if cosine < config.min_cosine:
            continue
        how = match(prints[a], prints[b], max_bits=config.max_bits)
        if how is not None and how.proves(config):
            found.append(Pair(a, b, how, cosine))
    logger.info("%d of %d candidate pairs show the same", len(found), len(pairs))
    return found


def _index(prints: Sequence[Print]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hashes worth indexing and the video of each: one of a run of alike pictures."""
    lengths = np.array([len(one.pictures) for one in prints], dtype=np.int64)
    hashes = np.concatenate([np.zeros(0, np.int64), *(one.pictures for one in prints)])
    owners = np.repeat(np.arange(len(prints)), lengths)
    if not len(hashes):
        return hashes, owners
    bits = hashes.view(np.uint64)
    new = np.ones(len(hashes), dtype=np.bool_)
    new[1:] = (np.bitwise_count(bits[1:] ^ bits[:-1]) > SAME_BITS) | (owners[1:] != owners[:-1])
    return hashes[new], owners[new]


def _cosine(vectors: NDArray[np.float32] | None, a: int, b: int) -> float:
    if vectors is None or not vectors[a].any() or not vectors[b].any():
        return float("nan")
    return float(vectors[a] @ vectors[b])
