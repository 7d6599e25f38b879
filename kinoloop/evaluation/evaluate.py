"""Evaluate a recommender on a holdout: full ranking, in chunks, with slices.

Nothing is sampled and nothing is averaged away: metrics come per row (`per_user`, the input of
`compare.paired`), as means (`metrics`), and for the groups that a mean hides (`slices`): videos
that training never saw, users without a history, users with little of it, videos that lack a
modality. Memory is bounded by the chunk of scores, whatever the number of rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.errors import DataError, KinoloopError
from kinoloop.evaluation.metrics.auc import rank_auc
from kinoloop.evaluation.metrics.base import ACCURACY, Metric, metrics_of
from kinoloop.evaluation.metrics.coverage import coverage
from kinoloop.evaluation.metrics.diversity import diversity
from kinoloop.evaluation.metrics.novelty import novelty
from kinoloop.evaluation.metrics.popularity_bias import popularity, popularity_lift
from kinoloop.evaluation.ranks import UNKNOWN, Ranks, ranks_in, scored_chunks
from kinoloop.evaluation.split import Holdout
from kinoloop.models.top_k import best_columns

HEADLINE = ("ndcg@10", "hr@10", "recall@20", "mrr@10", "coverage@10")
"""Metrics that pages for people show of each model."""

SPARSE_USER = 5  # fewer videos than this in the history is a sparse user

Values = dict[str, NDArray[np.float64]]


class Rankable(Protocol):
    """Scores every video of a catalogue: a `Recommender`, or one with a ranker behind it."""

    @property
    def catalogue(self) -> Catalogue:
        """The videos that are scored."""

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Scores, (n_rows, n_videos) float32."""


@dataclass(frozen=True)
class Evaluation:
    """What a recommender achieved on a holdout.

    Attributes:
        metrics: Means by name, such as `ndcg@10`, `hr@20`, `auc`, `coverage@10`; `rows` is how
            many.
        slices: The accuracy metrics of each slice that has targets, by name of the slice.
        per_user: One row per holdout row: `row`, `user_id` (null where anonymous), `history_length`
            and the accuracy metrics.
        parts: The accuracy metrics of each part that was asked for, one value per row that has a
            target in it.
    """

    metrics: dict[str, float]
    slices: dict[str, dict[str, float]]
    per_user: pl.DataFrame
    parts: dict[str, Values] = field(default_factory=dict)


def evaluate(
    recommender: Rankable,
    holdout: Holdout,
    *,
    train: Histories | None = None,
    ks: Sequence[int] = (10, 20),
    metrics: Sequence[str] = ACCURACY,
    parts: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Evaluation:
    """Rank all videos for every row and measure.

    Args:
        recommender: Fitted, or loaded.
        holdout: In the indices of the recommender's catalogue (`translate_holdout` moves it).
        train: What the recommender was fitted on, for novelty, popularity bias and the slice of
            new videos; without it, they are left out.
        ks: Cut-offs.
        metrics: Names of the accuracy metrics, see `kinoloop.evaluation.metrics.base`.
        parts: (n_targets,) marks by name: targets that are measured by themselves, too.

    Raises:
        DataError: A score is not a number, a metric gives no value per row, or the holdout is not
            in the indices of the catalogue.
        ConfigError: No metric has one of the names.
    """
    measure = partial(_accuracy, ks=ks, metrics=metrics_of(metrics))
    slates = np.zeros((len(holdout), min(max(ks), len(recommender.catalogue))), dtype=np.int64)
    targets = holdout.targets
    targets.select(targets.videos != UNKNOWN).check(len(recommender.catalogue))
    found = np.zeros(len(targets.videos), dtype=np.int64)
    for rows, scores in scored_chunks(recommender.score, holdout.histories):
        span = slice(int(targets.offsets[rows.start]), int(targets.offsets[rows.stop]))
        found[span] = ranks_in(scores, targets.rows(rows))
        slates[rows] = best_columns(scores, slates.shape[1])
    ranks = Ranks(targets.offsets, found)
    counts = _counts(train, len(recommender.catalogue))
    accuracy = measure(ranks)
    accuracy["auc"] = rank_auc(ranks, len(recommender.catalogue) - holdout.histories.lengths)
    means = {"rows": float(len(holdout)), **_means(accuracy)}
    for k in ks:
        means |= _beyond_accuracy(recommender, slates[:, :k], counts, k)
        if counts is not None and len(slates):
            means |= _popularity_bias(slates[:, :k], holdout.histories, counts, k)
    return Evaluation(
        metrics=means,
        slices=_slices(recommender, holdout, ranks, counts, measure),
        per_user=_per_user(holdout, accuracy),
        parts={
            name: measure(_subset(ranks, mask))
            for name, mask in (parts or {}).items()
            if mask.any()
        },
    )


def _accuracy(ranks: Ranks, *, ks: Sequence[int], metrics: Mapping[str, Metric]) -> Values:
    rows, values = len(ranks.offsets) - 1, {}
    for name, metric in metrics.items():
        for k in ks:
            try:
                value = metric(ranks, k=k)
            except KinoloopError:
                raise
            except Exception as err:  # that of a plug-in may raise anything
                raise DataError(
                    f"metric {name!r} failed at k = {k} with {type(err).__name__}: {err}"
                ) from err
            if np.shape(value) != (rows,):
                raise DataError(
                    f"metric {name!r}: got {type(value).__name__} of shape {np.shape(value)}, "
                    f"expected a value per row, {(rows,)}"
                )
            values[f"{name}@{k}"] = value
    return values


def _means(values: Values) -> dict[str, float]:
    return {name: float(value.mean()) if len(value) else 0.0 for name, value in values.items()}


def _beyond_accuracy(
    recommender: Rankable,
    slates: NDArray[np.int64],
    counts: NDArray[np.int64] | None,
    k: int,
) -> dict[str, float]:
    found = {f"coverage@{k}": coverage(slates, len(recommender.catalogue))}
    if counts is not None and len(slates):
        found[f"novelty@{k}"] = float(novelty(slates, counts).mean())
    for name, modality in recommender.catalogue.modalities.items():
        unlike = diversity(slates, modality)
        if not np.isnan(unlike).all():
            found[f"diversity_{name}@{k}"] = float(np.nanmean(unlike))
    return found


def _popularity_bias(
    slates: NDArray[np.int64], histories: Histories, counts: NDArray[np.int64], k: int
) -> dict[str, float]:
    found = {f"popularity@{k}": float(popularity(slates, counts).mean())}
    lift = popularity_lift(slates, histories, counts)
    return found if np.isnan(lift) else {**found, f"popularity_lift@{k}": lift}


def _counts(train: Histories | None, n_videos: int) -> NDArray[np.int64] | None:
    if train is None:
        return None
    return np.bincount(train.videos, minlength=n_videos)


def _slices(
    recommender: Rankable,
    holdout: Holdout,
    ranks: Ranks,
    counts: NDArray[np.int64] | None,
    measure: Callable[[Ranks], Values],
) -> dict[str, dict[str, float]]:
    """Slices of rows keep a row's targets; slices of videos keep the targets that belong."""
    videos, lengths = holdout.targets.videos, holdout.histories.lengths
    row_of = holdout.targets.row_of
    masks = {
        "new_users": (lengths == 0)[row_of],
        "sparse_users": ((lengths > 0) & (lengths < SPARSE_USER))[row_of],
        "unknown_videos": videos == UNKNOWN,
    }
    if counts is not None:
        masks["new_videos"] = (videos != UNKNOWN) & (counts[videos] == 0)
    for name, modality in recommender.catalogue.modalities.items():
        masks[f"without_{name}"] = (videos != UNKNOWN) & ~modality.present[videos]
    slices = {}
    for name, mask in masks.items():
        if mask.any():
            part = _subset(ranks, mask)
            slices[name] = {"rows": float(len(part)), **_means(measure(part))}
    return slices


def _subset(ranks: Ranks, mask: NDArray[np.bool_]) -> Ranks:
    """Keep some targets, and the rows that still have one."""
    kept = np.concatenate([[0], np.cumsum(mask)])
    offsets = np.unique(kept[ranks.offsets])
    return Ranks(offsets.astype(np.int64), ranks.ranks[mask])


def _per_user(holdout: Holdout, accuracy: Values) -> pl.DataFrame:
    users = pl.Series("user_id", holdout.histories.user_ids or [None] * len(holdout), pl.String)
    columns = {"row": np.arange(len(holdout)), "history_length": holdout.histories.lengths}
    return pl.DataFrame({**columns, **accuracy}).insert_column(1, users)
