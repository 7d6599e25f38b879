"""Has the champion's confidence changed? How far its slates stand out from the catalogue.

Scores are taken relative to the same user's scores of all videos, because raw ones grow with the
length of a history. Not covered: the reference lies in the training window, so a champion that
has overfitted looks surer there; the threshold leaves room for it.
"""

from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from kinoloop.drift.base import NO_CHAMPION, Measurement, Scene, TestConfig, drift_test, too_few
from kinoloop.drift.checks.numeric import compare_numbers
from kinoloop.drift.counting import count_bins


class SlateScoresConfig(TestConfig):
    """Config of `slate_scores`."""

    kind: Literal["slate_scores"] = "slate_scores"
    threshold: float = Field(0.3, gt=0, description="KS distance; 0.77 σ between two normals.")


@drift_test(
    "slate_scores",
    level="predictions",
    config=SlateScoresConfig,
    title="Confidence of the champion",
    effect="KS",
)
def slate_scores(scene: Scene, config: SlateScoresConfig) -> Measurement:
    """Compare the lift of recommended videos in both windows."""
    slates, current = scene.slates, scene.windows.current
    if slates is None:
        return NO_CHAMPION
    n = slates.users_of(current)
    if lacking := too_few(n, config.min_users):
        return lacking
    top_k = slates.lift.shape[1]
    rows = pl.DataFrame(
        {
            "user": np.repeat(slates.users, top_k),
            "period": np.repeat(slates.periods, top_k),
            "lift": slates.lift.ravel().astype(np.float64),
        }
    )
    blocks, edges = count_bins(rows, "lift", unit="user", current=current, bins=100)
    return compare_numbers(
        scene, blocks, edges, users=n, label="lift of a slate over the catalogue"
    )
