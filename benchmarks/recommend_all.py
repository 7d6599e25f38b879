"""Recommending for all users ÷ the bare matrix product and top-k of the same sizes.

    python -m benchmarks.recommend_all DATA_DIR [--users 20000] [--set '{"epochs": 1}']

Fits the sequence recommender for one epoch (what it learned does not matter here), then scores
every history, takes the videos of the history out and keeps the ten best; against one product of
(users × dim) and (videos × dim) in the same chunks and the top-k of numpy, and then against the
same product with our own top-k. CPU seconds, one thread; the best of five runs of each, in turns.

Needs: a directory with the Delta tables of an ingest (DATA_DIR)
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.evaluation.ranks import CHUNK_SCORES, scored_chunks
from kinoloop.models.base import build
from kinoloop.models.top_k import best_columns

TOP_K = 10
ROUNDS = 5


def main() -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(description="Recommending for all users.")
    parser.add_argument("data", type=Path, help="directory with the Delta tables")
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--set", default="{}", help="settings that differ, as JSON")
    arguments = parser.parse_args()
    tables = Tables(arguments.data)
    catalogue = load_catalogue(tables)
    histories = load_histories(tables, catalogue.ids, InterestConfig(rating_liked_from=0))
    settings = {"kind": "sequence", "epochs": 1, **json.loads(arguments.set)}
    model = build(settings, seed=0).fit(histories.rows(slice(2000)), catalogue)
    histories = histories.rows(slice(arguments.users))

    def recommend() -> None:
        for _, scores in scored_chunks(model.score, histories):
            best_columns(scores, TOP_K)

    rng = np.random.default_rng(0)
    users = rng.standard_normal((len(histories), model.config.dim)).astype(np.float32)
    videos = rng.standard_normal((len(catalogue), model.config.dim)).astype(np.float32)
    rows = max(1, CHUNK_SCORES // len(catalogue))

    def bare(best: Callable[[NDArray[np.float32], int], NDArray[np.int64]]) -> None:
        for start in range(0, len(users), rows):
            best(users[start : start + rows] @ videos.T, TOP_K)

    works = (recommend, lambda: bare(_numpy_best), lambda: bare(best_columns))
    with threadpool_limits(limits=1):
        rounds = [[_seconds(work) for work in works] for _ in range(ROUNDS)]
    ours, floor, lower = np.min(rounds, axis=0)
    print(f"{len(histories)} users, {len(catalogue)} videos, {settings}")
    print(
        f"recommend {ours:.2f} CPU s, bare product and top-k {floor:.2f}: {ours / floor:.2f} times"
    )
    print(f"bare product with our top-k {lower:.2f}: {ours / lower:.2f} times")


def _numpy_best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    found = np.argpartition(scores, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(scores, found, axis=1), axis=1)
    return np.take_along_axis(found, order, axis=1)


def _seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
