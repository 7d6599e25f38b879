"""Does the champion recommend other things now? Category mix of its slates."""

from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from kinoloop.drift.base import (
    NO_CHAMPION,
    Measurement,
    Scene,
    drift_test,
    too_few,
)
from kinoloop.drift.checks.mix import LevelsConfig, compare_mix


class SlateMixConfig(LevelsConfig):
    """Config of `slate_mix`."""

    kind: Literal["slate_mix"] = "slate_mix"
    column: str = Field("category", description="Column of the catalogue's videos.")


@drift_test(
    "slate_mix",
    level="predictions",
    config=SlateMixConfig,
    title="Mix of {column} in slates",
    effect="PSI",
)
def slate_mix(scene: Scene, config: SlateMixConfig) -> Measurement:
    """Compare the categories of recommended videos in both windows."""
    slates, current = scene.slates, scene.windows.current
    if slates is None or scene.champion is None:
        return NO_CHAMPION
    n = slates.users_of(current)
    if lacking := too_few(n, config.min_users):
        return lacking
    top_k = slates.videos.shape[1]
    level = scene.champion.catalogue.videos.get_column(config.column)
    rows = pl.DataFrame(
        {
            "user": np.repeat(slates.users, top_k),
            "period": np.repeat(slates.periods, top_k),
            config.column: level.gather(slates.videos.ravel()),
        }
    )
    return compare_mix(scene, config, rows, unit="user", n=n)
