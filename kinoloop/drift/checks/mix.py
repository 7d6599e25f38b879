"""The mix of a categorical column: what people do, where, on what, in which language."""

from typing import Literal

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
from kinoloop.drift.counting import count_levels, units
from kinoloop.drift.statistics import jensen_shannon, psi


class LevelsConfig(TestConfig):
    """Which column is compared, and how finely."""

    column: str = Field(description="A column of categories.")
    threshold: float = Field(
        0.25, gt=0, description="PSI; > 0.25 is a different population (Siddiqi 2006)."
    )
    max_levels: int = Field(30, ge=2, description="Rarer levels are counted together.")


class MixConfig(LevelsConfig):
    """Config of `mix`."""

    kind: Literal["mix"] = "mix"
    column: str = Field(description="event, surface, device, category or language.")
    of: Literal["events", "watched", "new_videos"] = Field(
        "events", description="All events, those that show interest, or newly published videos."
    )


@drift_test("mix", level="tables", config=MixConfig, title="Mix of {column}", effect="PSI")
def mix(scene: Scene, config: MixConfig) -> Measurement:
    """Compare the shares of levels by PSI, with the Jensen–Shannon distance beside it."""
    rows, unit = rows_of(scene, config.of)
    n = units(rows, unit, scene.windows.current)
    if lacking := too_few(n, config.min_users, what="videos" if unit == "video_id" else "users"):
        return lacking
    return compare_mix(scene, config, rows, unit=unit, n=n)


def compare_mix(
    scene: Scene, config: LevelsConfig, rows: pl.DataFrame, *, unit: str, n: tuple[int, int]
) -> Measurement:
    """Compare the shares of levels in both windows.

    Args:
        scene: What is compared.
        config: Column and number of levels.
        rows: With `period`, the column, and the column that names the unit.
        unit: Column of what is independent of each other, such as users.
        n: Units in both windows.
    """
    blocks, labels = count_levels(
        rows,
        config.column,
        unit=unit,
        current=scene.windows.current,
        max_levels=config.max_levels,
    )
    reference, now = blocks.totals()
    before, after = reference[0] / reference.sum(), now[0] / now.sum()
    moved = int(abs(after - before).argmax())
    return Measurement(
        evidence=weighed(scene, blocks, psi),
        users=n,
        said=f"{labels[moved]!r} went from {before[moved]:.0%} to {after[moved]:.0%}",
        figures={"jensen_shannon": float(jensen_shannon(reference, now)[0])},
        plot=Bars(labels, before, after),
    )


def rows_of(scene: Scene, of: str) -> tuple[pl.DataFrame, str]:
    """Rows and the column that names their unit."""
    if of == "new_videos":
        return scene.windows.videos, "video_id"
    events = scene.windows.events
    if of == "watched":
        events = events.filter(pl.col("interest") > 0)
    return events, "user"
