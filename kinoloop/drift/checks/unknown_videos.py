"""How much of what is watched can the champion not even recommend? Videos newer than its bundle."""

from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from kinoloop.drift.base import (
    NO_CHAMPION,
    Measurement,
    Scene,
    TestConfig,
    drift_test,
    too_few,
    weighed,
)
from kinoloop.drift.blocks import Blocks
from kinoloop.drift.checks.mix import rows_of
from kinoloop.drift.counting import units
from kinoloop.drift.statistics import largest_rate_change


class UnknownVideosConfig(TestConfig):
    """Config of `unknown_videos`."""

    kind: Literal["unknown_videos"] = "unknown_videos"
    threshold: float = Field(
        0.2, gt=0, description="Rise of the share; our choice, every fifth watched video."
    )


@drift_test(
    "unknown_videos",
    level="predictions",
    config=UnknownVideosConfig,
    title="Videos that the champion does not know",
    effect="share",
)
def unknown_videos(scene: Scene, config: UnknownVideosConfig) -> Measurement:
    """Compare the share of watched videos that are missing from the champion's catalogue."""
    if scene.champion is None:
        return NO_CHAMPION
    current = scene.windows.current
    watched, unit = rows_of(scene, "watched")
    n = units(watched, unit, current)
    if lacking := too_few(n, config.min_users):
        return lacking
    known = scene.champion.catalogue.ids.indices(watched.get_column("video_id")) >= 0
    counted = (
        watched.with_columns(unknown=pl.Series(~known))
        .group_by("user", "period")
        .agg(pl.col("unknown").sum(), rows=pl.len())
        .sort("period", "user")
    )
    blocks = Blocks(
        counted.select("unknown", "rows").to_numpy().astype(np.float64),
        counted.get_column("period").to_numpy().astype(np.int64),
        current,
    )
    reference, now = blocks.totals()
    return Measurement(
        evidence=weighed(scene, blocks, largest_rate_change),
        users=n,
        said=f"{now[0, 0] / now[0, 1]:.0%} of what is watched is missing from the champion's "
        f"catalogue, was {reference[0, 0] / reference[0, 1]:.0%}",
    )
