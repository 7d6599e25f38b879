"""Heads that learn a label from a person's answers.

A label with enough answers of both kinds gets a logistic head over the video's vectors. It speaks
in place of the guess from words only where it is the better one: by F1 on the same answers, each
predicted by a head that has not seen it. Its probability is calibrated on these predictions
(Platt). In a facet of which one label holds, a yes to one is a no to the others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.semantics.head_store import fuse
from kinoloop.semantics.heads import Head, HeadReport

Floats = NDArray[np.float32]

MIN_ANSWERS = 8
"""Of either kind, for a label to be learned."""

FOLDS = 4
STRENGTH = 10.0
"""Inverse of regularisation, as for heads of the catalogue."""


@dataclass(frozen=True)
class AnsweredHeads:
    """What was learned from answers.

    Attributes:
        learned: Head by facet and label, of those that beat the guess and the base rate.
        reports: Of all that were tried; their base is the better of the two.
        modalities: Whose vectors are joined, in order, with their lengths.
        digest: Of what was learned.
    """

    learned: dict[tuple[str, str], Head] = field(default_factory=dict)
    reports: list[HeadReport] = field(default_factory=list)
    modalities: dict[str, int] = field(default_factory=dict)
    digest: str = ""

    def score(self, vectors: Mapping[str, Floats], n: int) -> dict[tuple[str, str], Floats]:
        """Probability by facet and label for each of n videos, (n,) float32."""
        if not self.learned:
            return {}
        joined = fuse(vectors, self.modalities, n)
        there = joined.any(axis=1)
        return {key: head.score(joined)[:, 0] * there for key, head in self.learned.items()}


def learn_answers(
    answers: pl.DataFrame,
    vectors: Mapping[str, Floats],
    guessed: Mapping[tuple[str, str], Floats],
    *,
    exclusive: frozenset[str],
    least: float,
) -> AnsweredHeads:
    """Learn every label that has enough answers.

    Args:
        answers: From `read_answers`.
        vectors: (n, dim) by modality, a row per different video of `answers` in order of id.
        guessed: Probability without answers by facet and label, (n,), where there is a guess.
        exclusive: Facets of which one label holds.
        least: Probability from which a label is given.
    """
    ids = answers["video_id"].unique().sort().to_list()
    modalities = {name: matrix.shape[1] for name, matrix in sorted(vectors.items())}
    joined = fuse(vectors, modalities, len(ids))
    learned, reports = {}, []
    for facet, label, truth in _questions(answers, ids, exclusive):
        rows = np.flatnonzero((truth >= 0) & joined.any(axis=1))
        right = truth[rows] == 1
        if min(right.sum(), (~right).sum()) < MIN_ANSWERS:
            continue
        head, said = fit_head(label, joined[rows], right)
        guess = guessed.get((facet, label), np.zeros(len(ids), np.float32))[rows] >= least
        base = max(_f1(right, guess), _f1(right, np.ones_like(right)))
        own = _f1(right, said >= 0.5)
        reports.append(
            HeadReport(f"{facet} {label}", 1, len(rows), len(rows), own, own, base, base)
        )
        if reports[-1].used:
            learned[facet, label] = head
    weights = {f"{f}/{x}": [h.weights.tolist(), h.bias.tolist()] for (f, x), h in learned.items()}
    digest = fingerprint({"learned": weights}) if learned else ""
    return AnsweredHeads(learned, reports, modalities, digest)


def _questions(
    answers: pl.DataFrame, ids: list[str], exclusive: frozenset[str]
) -> Iterator[tuple[str, str, NDArray[np.int8]]]:
    """Facet, label and what is known of each video: 1 holds, 0 does not, −1 nobody said."""
    row_of = {video_id: row for row, video_id in enumerate(ids)}
    keys = answers.select("facet", "label").unique().sort("facet", "label")
    for facet, label in keys.iter_rows():
        truth = np.full(len(ids), -1, dtype=np.int8)
        of_facet = answers.filter(pl.col("facet") == facet)
        for video_id, other, holds in of_facet.select("video_id", "label", "holds").iter_rows():
            if other == label:
                truth[row_of[video_id]] = holds
            elif holds and facet in exclusive and truth[row_of[video_id]] < 0:
                truth[row_of[video_id]] = 0
        yield facet, label, truth


def fit_head(label: str, x: Floats, right: NDArray[np.bool_]) -> tuple[Head, Floats]:
    """Fit a head, and say what heads that have not seen a video say of it.

    Args:
        label: That it says.
        x: (n, dim) joined vectors.
        right: (n,) whether the label holds; at least two of either kind.

    Returns:
        The head, and its calibrated probabilities (n,) by cross-validation.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    model = LogisticRegression(C=STRENGTH, max_iter=300, class_weight="balanced")
    n = min(FOLDS, int(right.sum()), int((~right).sum()))
    folds = StratifiedKFold(n, shuffle=True, random_state=0)
    apart = cross_val_predict(model, x, right, cv=folds, method="decision_function")
    platt = LogisticRegression(C=1.0).fit(apart[:, None], right)
    model.fit(x, right)
    slope = max(float(platt.coef_[0, 0]), 0.0)  # never turns what was learned around
    weights = (slope * model.coef_).astype(np.float32)
    bias = (slope * model.intercept_ + platt.intercept_).astype(np.float32)
    said: Floats = platt.predict_proba(apart[:, None])[:, 1].astype(np.float32)
    return Head((label,), weights, bias), said


def _f1(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(truth, said, zero_division=0))
