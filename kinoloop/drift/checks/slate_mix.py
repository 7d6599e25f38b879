"""Does the champion recommend other things now? Category mix of its slates."""

from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from kinoloop.drift.base import (
    NO_CHAMPION,
    Bars,
    Measurement,
    Scene,
    TestConfig,
    drift_test,
    too_few,
    weighed,
)
from kinoloop.drift.counting import count_levels
from kinoloop.drift.statistics import jensen_shannon, psi


class SlateMixConfig(TestConfig):
    """Config of `slate_mix`."""

    kind: Literal["slate_mix"] = "slate_mix"
    column: str = Field("category", description="Column of the catalogue's videos.")
    threshold: float = Field(
        0.25, gt=0, description="PSI; > 0.25 is a different population (Siddiqi 2006)."
    )
    max_levels: int = Field(30, ge=2, description="Rarer levels are counted together.")


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
    blocks, labels = count_levels(
        rows, config.column, unit="user", current=current, max_levels=config.max_levels
    )
    reference, now = blocks.totals()
    before, after = reference[0] / reference.sum(), now[0] / now.sum()
    moved = int(abs(after - before).argmax())
    return Measurement(
        evidence=weighed(scene, blocks, psi),
        users=n,
        said=f"{labels[moved]!r} went from {before[moved]:.0%} to {after[moved]:.0%} of slates",
        figures={"jensen_shannon": float(jensen_shannon(reference, now)[0])},
        plot=Bars(labels, before, after),
    )
