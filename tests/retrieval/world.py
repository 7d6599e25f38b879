"""Clustered vectors, and an index of them."""

from functools import cache

import numpy as np

from kinoloop.retrieval.building import built
from kinoloop.retrieval.config import RetrievalConfig
from kinoloop.retrieval.space import Space

N, DIM, REGIONS = 6_000, 12, 40
CONFIG = RetrievalConfig(exact_below=1000, queries=16)


@cache
def vectors(n=N):
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(REGIONS, DIM))
    found = centres[rng.integers(0, REGIONS, n)] + 0.3 * rng.normal(size=(n, DIM))
    return found.astype(np.float32)


def space(rows):
    return Space(*rows.shape, lambda videos: rows[videos])


def queries(count=16):
    rng = np.random.default_rng(5)
    return (vectors()[rng.integers(0, N, count)] + 0.1).astype(np.float32)


@cache
def index():
    return built(space(vectors()), queries, CONFIG)
