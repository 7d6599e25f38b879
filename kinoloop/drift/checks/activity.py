"""How active users are: events per user and day, over the users that were seen in a period."""

from typing import Literal

import polars as pl
from pydantic import Field

from kinoloop.drift.base import Measurement, Scene, TestConfig, drift_test, too_few
from kinoloop.drift.checks.numeric import compare_numbers
from kinoloop.drift.counting import count_bins, units


class ActivityConfig(TestConfig):
    """Config of `activity`."""

    kind: Literal["activity"] = "activity"
    threshold: float = Field(0.2, gt=0, description="KS distance; 0.5 σ between two normals.")


@drift_test(
    "activity", level="tables", config=ActivityConfig, title="Events per user and day", effect="KS"
)
def activity(scene: Scene, config: ActivityConfig) -> Measurement:
    """Compare the distribution over users of their events per day."""
    current = scene.windows.current
    span = scene.windows.periods[current]
    days = (span.end - span.start).total_seconds() / 86_400
    rows = (
        scene.windows.events.group_by("user", "period")
        .len()
        .with_columns(events_per_day=pl.col("len") / days)
    )
    n = units(rows, "user", current)
    if lacking := too_few(n, config.min_users):
        return lacking
    blocks, edges = count_bins(rows, "events_per_day", unit="user", current=current, bins=100)
    return compare_numbers(scene, blocks, edges, users=n, label="events per user and day")
