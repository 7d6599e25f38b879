"""Has the centre of what is watched moved? Distance of the mean vectors of one modality.

The distance is measured in units of the spread of what is watched, because the cosine between two
means says nothing where all vectors share a direction (colour histograms do); the cosine shift is
reported beside it.
"""

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.drift.base import Measurement, Scene, TestConfig, drift_test, too_few, weighed
from kinoloop.drift.checks.mix import rows_of
from kinoloop.drift.counting import sum_vectors, units
from kinoloop.drift.statistics import mean_distance


class MeanVectorConfig(TestConfig):
    """Config of `mean_vector`."""

    kind: Literal["mean_vector"] = "mean_vector"
    modality: str = Field(description="text, visual or audio.")
    threshold: float = Field(
        0.2, gt=0, description="Distance in units of the spread; Cohen's d, 0.2 is small."
    )


@drift_test(
    "mean_vector",
    level="embeddings",
    config=MeanVectorConfig,
    title="Mean {modality} vector of what is watched",
    effect="d",
)
def mean_vector(scene: Scene, config: MeanVectorConfig) -> Measurement:
    """Compare the mean vector of what was watched in both windows."""
    current = scene.windows.current
    rows, vectors = watched_vectors(scene, config.modality)
    n = units(rows, "user", current)
    if lacking := too_few(n, config.min_users, what=f"users of {config.modality} vectors"):
        return lacking
    watched = vectors[rows.get_column("video").to_numpy()]
    spread = float(np.sqrt(watched.var(axis=0, dtype=np.float64).sum()))
    scaled = np.column_stack([vectors / max(spread, 1e-6), np.ones(len(vectors))])
    blocks = sum_vectors(rows, scaled, unit="user", current=current)
    reference, now = (total[0, :-1] for total in blocks.totals())
    norms = max(float(np.linalg.norm(reference) * np.linalg.norm(now)), 1e-12)
    cosine_shift = 1 - float(reference @ now) / norms
    evidence = weighed(scene, blocks, mean_distance)
    return Measurement(
        evidence=evidence,
        users=n,
        said=f"the mean {config.modality} vector of what is watched moved by "
        f"{evidence.statistic:.2f} of its spread",
        figures={"cosine_shift": cosine_shift},
    )


def watched_vectors(scene: Scene, modality: str) -> tuple[pl.DataFrame, NDArray[np.float32]]:
    """Return what was watched that has a vector of this modality.

    Returns:
        rows: Columns `user`, `period`, `video` (internal index); none without such vectors.
        vectors: (n_videos, dim) float32.
    """
    watched, _ = rows_of(scene, "watched")
    found = scene.catalogue.modalities.get(modality)
    if found is None:
        nothing = watched.select("user", "period").clear().with_columns(video=pl.lit(0))
        return nothing, np.zeros((0, 1), dtype=np.float32)
    index = scene.catalogue.ids.indices(watched.get_column("video_id"))
    has = (index >= 0) & found.present[index]
    rows = watched.select("user", "period").with_columns(video=pl.Series(index))
    return rows.filter(pl.Series(has)), found.vectors
