"""Can a classifier tell which window a watched video comes from? Its AUC says how well.

Ridge regression on the vectors, scored on users that it was not fitted on. 0.5 is "the same", 1.0
is "two worlds". Because ridge is linear in the labels, one set of matrices answers for all
shuffles, so the AUC gets an honest null at small n.

Source: Lopez-Paz & Oquab, Revisiting classifier two-sample tests (2017); Rabanser et al.,
Failing loudly (2019), on what shifts it finds.
"""

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import rankdata

from kinoloop.drift.base import Measurement, Scene, TestConfig, drift_test, too_few
from kinoloop.drift.blocks import Evidence, p_value
from kinoloop.drift.checks.mean_vector import watched_vectors
from kinoloop.drift.counting import units

Matrix = NDArray[np.float64]


class DomainClassifierConfig(TestConfig):
    """Config of `domain_classifier`."""

    kind: Literal["domain_classifier"] = "domain_classifier"
    modality: str = Field(description="text, visual or audio.")
    threshold: float = Field(
        0.65, gt=0.5, lt=1, description="AUC; 0.64 is a medium effect (Cohen's d of 0.5)."
    )
    max_rows: int = Field(2000, ge=100, description="Watched videos that are looked at.")
    folds: int = Field(5, ge=2, description="Folds over users.")
    penalty: float = Field(1.0, gt=0, description="Ridge penalty, in units of the mean variance.")


@drift_test(
    "domain_classifier",
    level="embeddings",
    config=DomainClassifierConfig,
    title="Telling the windows apart by {modality}",
    effect="AUC",
    floor=0.5,
)
def domain_classifier(scene: Scene, config: DomainClassifierConfig) -> Measurement:
    """Cross-validated AUC of telling the current window from the reference."""
    current = scene.windows.current
    rows, vectors = watched_vectors(scene, config.modality)
    n = units(rows, "user", current)
    if lacking := too_few(n, config.min_users, what=f"users of {config.modality} vectors"):
        return lacking
    rows = rows.sample(min(config.max_rows, rows.height), shuffle=True, seed=scene.seed)
    x = vectors[rows.get_column("video").to_numpy()].astype(np.float64)
    rng = np.random.default_rng(scene.seed)
    users = rows.get_column("user").to_numpy()
    fold = rng.permutation(int(users.max()) + 1)[users] % config.folds
    periods = rows.get_column("period").to_numpy()
    now = periods == current
    shuffled = _shuffled_blocks(rows, now, scene.permutations, rng)
    aucs = _aucs(x, fold, np.column_stack([now, shuffled]), config.penalty)
    past = np.column_stack([periods[~now] == number for number in np.unique(periods[~now])])
    ordinary = (
        float(_aucs(x[~now], fold[~now], past, config.penalty).max())
        if past.shape[1] > 1
        else float("nan")
    )
    return Measurement(
        evidence=Evidence(
            statistic=float(aucs[0]),
            p_value=p_value(float(aucs[0]), aucs[1:]),
            chance=float(np.quantile(aucs[1:], 0.95)),
            ordinary=ordinary,
        ),
        users=n,
        said=f"from the {config.modality} vector of a watched video, a classifier tells the "
        f"window in {aucs[0]:.0%} of pairs (50% is guessing)",
    )


def _shuffled_blocks(
    rows: pl.DataFrame, now: NDArray[np.bool_], permutations: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Labels shuffled over (user, period) blocks, (n_rows, permutations)."""
    key = rows.select(pl.struct("user", "period").rank("dense") - 1).to_series().to_numpy()
    labels = np.zeros(int(key.max()) + 1, dtype=bool)
    labels[key] = now
    table = np.broadcast_to(labels, (permutations, len(labels)))
    shuffled: NDArray[np.bool_] = rng.permuted(table, axis=1).T[key]
    return shuffled


def _aucs(
    x: Matrix, fold: NDArray[np.integer], labels: NDArray[np.bool_], penalty: float
) -> Matrix:
    """AUC of held-out ridge scores by column of labels, (n_columns,); 0.5 where a class lacks."""
    targets = labels.astype(np.float64)
    scores = np.zeros_like(targets)
    for number in np.unique(fold):
        held = fold == number
        mean, mean_target = x[~held].mean(axis=0), targets[~held].mean(axis=0)
        train = x[~held] - mean
        gram = train.T @ train
        gram += penalty * max(np.trace(gram) / len(gram), 1e-12) * np.eye(len(gram))
        weights = np.linalg.solve(gram, train.T @ (targets[~held] - mean_target))
        scores[held] = (x[held] - mean) @ weights
    ranks = rankdata(scores, axis=0)
    positives = labels.sum(axis=0)
    negatives = len(labels) - positives
    area = (ranks * labels).sum(axis=0) - positives * (positives + 1) / 2
    return np.where(positives * negatives > 0, area / np.maximum(positives * negatives, 1), 0.5)
