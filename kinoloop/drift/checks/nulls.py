"""Missing values: a logger that stops sending a field breaks features before it breaks a test."""

from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from kinoloop.drift.base import (
    Bars,
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


class NullsConfig(TestConfig):
    """Config of `nulls`."""

    kind: Literal["nulls"] = "nulls"
    of: Literal["events", "new_videos"] = Field("events", description="As in `mix`.")
    columns: tuple[str, ...] = Field(
        ("watch_s", "surface", "device", "category"), description="Columns that are looked at."
    )
    threshold: float = Field(
        0.1, gt=0, description="Change of the largest null rate; our choice, a tenth of all rows."
    )


@drift_test(
    "nulls", level="tables", config=NullsConfig, title="Missing values", effect="rate change"
)
def nulls(scene: Scene, config: NullsConfig) -> Measurement:
    """Compare the null rate of each column; the column that moved most speaks for all."""
    rows, unit = rows_of(scene, config.of)
    current = scene.windows.current
    n = units(rows, unit, current)
    if lacking := too_few(n, config.min_users, what="videos" if unit == "video_id" else "users"):
        return lacking
    counted = (
        rows.group_by(unit, "period")
        .agg(*(pl.col(c).null_count().alias(c) for c in config.columns), rows=pl.len())
        .sort("period", unit)
    )
    blocks = Blocks(
        counted.select(*config.columns, "rows").to_numpy().astype(np.float64),
        counted.get_column("period").to_numpy().astype(np.int64),
        current,
    )
    reference, now = blocks.totals()
    before, after = reference[0, :-1] / reference[0, -1], now[0, :-1] / now[0, -1]
    moved = int(np.abs(after - before).argmax())
    return Measurement(
        evidence=weighed(scene, blocks, largest_rate_change),
        users=n,
        said=f"{config.columns[moved]} is missing in {after[moved]:.0%}, was {before[moved]:.0%}",
        plot=Bars(config.columns, before, after),
    )
