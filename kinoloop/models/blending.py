"""How much each of several recommenders should count, learned from videos that came next.

Only what some recommender ranks high can reach the top of a sum, so each row keeps the best few of
everybody. Weights start at the best recommender alone and grow in the steps that help NDCG@10 most,
with replacement, until none helps: none is ever negative, and a recommender that brings nothing
keeps 0. How much that gains is told by rows that the weights have not seen: each fifth is measured
by weights of the other four, against the recommender that is best on all rows.

Source: Caruana et al., ICML 2004, "Ensemble Selection from Libraries of Models" (forward selection
with replacement).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.data.sampling import evenly_spaced
from kinoloop.models.top_k import best_columns
from kinoloop.models.validation import Scorer, Validation

TOP = 10  # places of the slate that is measured
POOLED = 30  # best videos of each recommender that a row keeps
MOST_ROWS = 2000
STEPS = (0.1, 0.3, 1.0)  # by which a weight may grow at a time; the best alone begins with 1
ROUNDS = 12
FOLDS = 5  # parts of the rows, each measured by weights of the others
CHUNK_CELLS = 16_000_000  # scores of all recommenders that are held at a time: 64 MB


@dataclass(frozen=True)
class Pool:
    """What several recommenders say of the best videos of each row.

    Attributes:
        scores: (n_rows, width, n_parts) float32; -inf where a place holds nothing.
        wanted: (n_rows, width) bool, whether the video came next.
        ideal: (n_rows,) DCG of the best order that was possible.
    """

    scores: NDArray[np.float32]
    wanted: NDArray[np.bool_]
    ideal: NDArray[np.float64]

    def rows(self, rows: NDArray[np.bool_]) -> "Pool":
        """Keep some rows."""
        return Pool(self.scores[rows], self.wanted[rows], self.ideal[rows])

    def ndcg(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """NDCG@10 of the weighted sum, (n_rows,)."""
        used = np.flatnonzero(weights)
        total = self.scores[:, :, used] @ weights[used].astype(np.float32)
        top = best_columns(total, TOP)
        hits = np.take_along_axis(self.wanted, top, axis=1)
        gains = hits @ (1 / np.log2(np.arange(2, top.shape[1] + 2)))
        return np.asarray(gains / self.ideal, dtype=np.float64)


@dataclass(frozen=True)
class Learned:
    """Weights, and what they are worth.

    Attributes:
        weights: (n_parts,) float64 ≥ 0, of sum 1.
        best: Which part is best alone.
        gains: (n_rows,) NDCG@10 over that part's, by weights that had not seen the row.
    """

    weights: NDArray[np.float64]
    best: int
    gains: NDArray[np.float64]


def pool_of(parts: Sequence[Scorer], validation: Validation) -> Pool:
    """Score evenly spaced rows of a validation window by every part.

    Args:
        parts: Scorers on one scale.
        validation: With at least one row; videos of a row's history are left out.
    """
    n_rows = len(validation.histories)
    picked = evenly_spaced(n_rows, MOST_ROWS) if n_rows > MOST_ROWS else np.arange(n_rows)
    histories, targets = validation.histories.rows(picked), validation.targets.rows(picked)
    pools, start, step = [], 0, 1
    while start < len(histories):
        part = slice(start, start + step)
        rows = histories.rows(part)
        scored = [one(rows) for one in parts]
        pools.append(_pooled(scored, rows, targets.rows(part)))
        start, step = part.stop, max(1, CHUNK_CELLS // (scored[0].shape[1] * len(parts)))
    return Pool(
        np.concatenate([pool.scores for pool in pools]),
        np.concatenate([pool.wanted for pool in pools]),
        np.concatenate([pool.ideal for pool in pools]),
    )


def learn_weights(pool: Pool) -> Learned:
    """Learn from all rows, and tell fold by fold what that gains."""
    n_parts = pool.scores.shape[2]
    alone = [pool.ndcg(np.eye(n_parts)[part]) for part in range(n_parts)]
    best = int(np.argmax([values.mean() for values in alone]))
    gains = np.zeros(len(alone[best]))
    for fold in range(min(FOLDS, len(gains)) if len(gains) > 1 else 0):
        unseen = np.arange(len(gains)) % FOLDS == fold
        weights = _grown(pool.rows(~unseen))
        gains[unseen] = pool.rows(unseen).ndcg(weights) - alone[best][unseen]
    return Learned(_grown(pool), best, gains)


def _grown(pool: Pool) -> NDArray[np.float64]:
    units = np.eye(pool.scores.shape[2])
    weights = max(units, key=lambda unit: float(pool.ndcg(unit).mean()))
    reached = pool.ndcg(weights).mean()
    for _ in range(ROUNDS):
        tried = [weights + step * unit for unit in units for step in STEPS]
        found = [pool.ndcg(each).mean() for each in tried]
        if max(found) <= reached:
            break
        weights, reached = tried[int(np.argmax(found))], max(found)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _pooled(scored: Sequence[NDArray[np.float32]], rows: Histories, targets: Histories) -> Pool:
    """Keep of each row the best videos of every part, each once."""
    for scores in scored:
        scores[rows.row_of, rows.videos] = -np.inf
    columns = np.sort(np.hstack([best_columns(scores, POOLED) for scores in scored]), axis=1)
    values = np.stack([np.take_along_axis(scores, columns, axis=1) for scores in scored], axis=2)
    again = np.zeros(columns.shape, dtype=np.bool_)
    again[:, 1:] = columns[:, 1:] == columns[:, :-1]
    values[again | ~np.isfinite(values).all(axis=2)] = -np.inf
    wanted = np.zeros(scored[0].shape, dtype=np.bool_)
    wanted[targets.row_of, targets.videos] = True
    best = np.concatenate([[1.0], np.cumsum(1 / np.log2(np.arange(2, TOP + 2)))])
    ideal = best[np.minimum(targets.lengths, TOP)]
    return Pool(values, np.take_along_axis(wanted, columns, axis=1) & ~again, ideal)
