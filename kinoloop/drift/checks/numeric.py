"""The distribution of a number: how much of a video is watched, how long videos are."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.drift.base import (
    Curves,
    Measurement,
    Scene,
    TestConfig,
    drift_test,
    too_few,
    weighed,
)
from kinoloop.drift.blocks import Blocks
from kinoloop.drift.checks.mix import rows_of
from kinoloop.drift.counting import count_bins, units
from kinoloop.drift.statistics import kolmogorov_smirnov, psi


class NumericConfig(TestConfig):
    """Config of `numeric`."""

    kind: Literal["numeric"] = "numeric"
    column: str = Field(description="watch_share, watch_s, value or duration_s.")
    of: Literal["events", "watched", "new_videos"] = Field("events", description="As in `mix`.")
    threshold: float = Field(
        0.15, gt=0, description="KS distance; two normals that are 0.38 σ apart reach 0.15."
    )
    bins: int = Field(100, ge=10, description="Quantile bins on which KS is computed.")


@drift_test(
    "numeric", level="tables", config=NumericConfig, title="Distribution of {column}", effect="KS"
)
def numeric(scene: Scene, config: NumericConfig) -> Measurement:
    """Compare by the two-sample KS distance (an effect size), with the PSI on deciles beside it."""
    rows, unit = rows_of(scene, config.of)
    rows = rows.drop_nulls(config.column)
    current = scene.windows.current
    n = units(rows, unit, current)
    if lacking := too_few(n, config.min_users, what="videos" if unit == "video_id" else "users"):
        return lacking
    blocks, edges = count_bins(rows, config.column, unit=unit, current=current, bins=config.bins)
    return compare_numbers(scene, blocks, edges, users=n, label=config.column)


def compare_numbers(
    scene: Scene, blocks: Blocks, edges: NDArray[np.float64], *, users: tuple[int, int], label: str
) -> Measurement:
    """Measure the drift of bin counts; shared by all tests on numbers."""
    reference, now = blocks.totals()
    before, after = np.cumsum(reference[0] / reference.sum()), np.cumsum(now[0] / now.sum())
    middle = [float(edges[np.searchsorted(shares, 0.5)]) for shares in (before, after)]
    decile = np.minimum((before * 10).astype(int), 9)
    tenths = [
        np.bincount(decile, total[0], minlength=10).astype(np.float64)[None]
        for total in (reference, now)
    ]
    called = label.replace("_", " ")
    return Measurement(
        evidence=weighed(scene, blocks, kolmogorov_smirnov),
        users=users,
        said=f"the median of {called} went from {middle[0]:.3g} to {middle[1]:.3g}",
        figures={"psi": float(psi(tenths[0], tenths[1])[0])},
        plot=Curves(edges, before, after, called),
    )
