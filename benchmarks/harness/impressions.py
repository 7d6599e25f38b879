"""Scoring impressions one by one: recommenders, gradient-boosted trees, intervals of the AUC."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from kinoloop.data.histories import Histories
from kinoloop.models.base import Recommender
from kinoloop.ranking.pairs import Pairs
from kinoloop.ranking.training import Examples

RESAMPLES = 200


def score_pairs(model: Recommender, pairs: Pairs) -> NDArray[np.float32]:
    """Score each pair by a recommender, from the history before the impression."""
    found = np.empty(len(pairs), dtype=np.float32)
    for start in range(0, len(pairs), 1000):
        part = slice(start, start + 1000)
        found[part] = model.score(as_histories(pairs.select(part)))[
            np.arange(len(pairs.videos[part])), pairs.videos[part]
        ]
    return found


def as_histories(pairs: Pairs) -> Histories:
    """Contexts as histories, oldest first."""
    history, interest = pairs.history[pairs.contexts], pairs.interest[pairs.contexts]
    kept = interest[:, ::-1] != 0
    offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    n = int(offsets[-1])
    return Histories(
        offsets=offsets.astype(np.int64), videos=history[:, ::-1][kept],
        weights=interest[:, ::-1][kept], timestamps=np.zeros(n, dtype=np.int64),
        kinds=np.ones(n, dtype=np.uint8), watch_shares=np.full(n, np.nan, dtype=np.float32),
    )  # fmt: skip


def boosted(train: Examples, test: Examples, seed: int) -> tuple[NDArray[np.float64], float]:
    """Gradient-boosted trees on the ranker's numeric features: probabilities and CPU seconds."""
    started = time.process_time()
    trees = HistGradientBoostingClassifier(  # the best of five settings on the validation window
        max_iter=600,
        learning_rate=0.05,
        max_leaf_nodes=8,
        l2_regularization=10,
        min_samples_leaf=200,
        early_stopping=True,
        validation_fraction=0.15,
        random_state=seed,
    )
    trees.fit(train.features, train.labels)
    return trees.predict_proba(test.features)[:, 1], time.process_time() - started


def auc_interval(
    labels: NDArray[np.bool_],
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    users: NDArray[np.integer],
    seed: int,
) -> str:
    """AUC of a − b, with a 95 % interval from drawing users with replacement."""
    rng, (_, of_row) = np.random.default_rng(seed), np.unique(users, return_inverse=True)
    n_users = int(of_row.max()) + 1
    first, second = _WeightedAuc(labels, a), _WeightedAuc(labels, b)
    drawn = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, n_users, n_users), minlength=n_users)[of_row]
        drawn.append(first(times) - second(times))
    once = np.ones(len(labels))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{first(once) - second(once):+.4f} [{low:+.4f}, {high:+.4f}]"


class _WeightedAuc:
    """AUC of fixed scores under changing weights of the rows; a tie counts half."""

    def __init__(self, labels: NDArray[np.bool_], scores: NDArray[Any]) -> None:
        _, self._tie = np.unique(scores, return_inverse=True)
        self._labels = labels

    def __call__(self, weights: NDArray[Any]) -> float:
        ones = np.bincount(self._tie, weights=weights * self._labels)
        zeros = np.bincount(self._tie, weights=weights * ~self._labels)
        below = np.cumsum(zeros) - zeros
        return float((ones * (below + zeros / 2)).sum() / (ones.sum() * zeros.sum()))
