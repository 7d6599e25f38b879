"""Several recommenders on one holdout: a table with paired intervals, and who does well where."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from kinoloop.evaluation.compare import Difference, paired
from kinoloop.evaluation.evaluate import Evaluation

HISTORY_BUCKETS = ((0, 0), (1, 4), (5, 19), (20, None))
"""Lengths of history that users are grouped by: none, sparse, some, long."""


class LeaderboardRow(NamedTuple):
    """One recommender among others.

    Attributes:
        name: Of the recommender.
        metrics: Means over the holdout.
        slices: The same of each slice.
        against: Difference to the reference, paired over users; None for the reference itself.
    """

    name: str
    metrics: dict[str, float]
    slices: dict[str, dict[str, float]]
    against: Difference | None


def leaderboard(
    found: Mapping[str, Evaluation], *, reference: str, metric: str = "ndcg@10", seed: int = 0
) -> list[LeaderboardRow]:
    """Compare all with one, best first.

    Args:
        found: What each achieved, on the same rows.
        reference: Name of the one that the others are compared with.
        metric: That decides.
        seed: Of the bootstrap.
    """
    base = found[reference].per_user[metric]
    rows = [
        LeaderboardRow(
            name,
            evaluation.metrics,
            evaluation.slices,
            None if name == reference else paired(evaluation.per_user[metric], base, seed=seed),
        )
        for name, evaluation in found.items()
    ]
    return sorted(rows, key=lambda row: -row.metrics[metric])


def per_user(found: Mapping[str, Evaluation]) -> pl.DataFrame:
    """Return the metrics of each user under every recommender, with a column `recommender`."""
    return pl.concat(
        [
            evaluation.per_user.select(pl.lit(name).alias("recommender"), pl.all())
            for name, evaluation in found.items()
        ]
    )


def by_history(evaluation: Evaluation, metric: str = "ndcg@10") -> dict[str, tuple[float, int]]:
    """Mean of a metric and number of users by length of history; empty groups are left out.

    Examples:
        >>> rows = pl.DataFrame({"history_length": [0, 3, 4], "ndcg@10": [0.0, 0.5, 1.0]})
        >>> by_history(Evaluation({}, {}, rows))
        {'0': (0.0, 1), '1-4': (0.75, 2)}
    """
    grouped = {}
    for low, high in HISTORY_BUCKETS:
        inside = pl.col("history_length") >= low
        if high is not None:
            inside &= pl.col("history_length") <= high
        values = evaluation.per_user.filter(inside)[metric]
        if len(values):
            name = f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
            mean = values.mean()
            assert isinstance(mean, float)
            grouped[name] = (mean, len(values))
    return grouped
