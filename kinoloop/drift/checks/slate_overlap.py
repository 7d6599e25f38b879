"""Do people's slates turn over faster than they did? Overlap of a user's consecutive slates.

This sees what averages hide: when every user's taste moves in a direction of its own, the mix of
categories stays and each slate changes. The drop is paired within users and held against random
sign flips; it is ordinary where some earlier period saw as large a drop.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.drift.base import NO_CHAMPION, Measurement, Scene, TestConfig, drift_test, too_few
from kinoloop.drift.blocks import Evidence, p_value
from kinoloop.drift.slates import Slates


class SlateOverlapConfig(TestConfig):
    """Config of `slate_overlap`."""

    kind: Literal["slate_overlap"] = "slate_overlap"
    threshold: float = Field(
        0.4, gt=0, description="Relative drop; our choice, two fifths less stays than usual."
    )


@drift_test(
    "slate_overlap",
    level="predictions",
    config=SlateOverlapConfig,
    title="Turnover of slates",
    effect="relative drop",
)
def slate_overlap(scene: Scene, config: SlateOverlapConfig) -> Measurement:
    """Compare how much of a slate stays from the last period to this with how much used to."""
    slates = scene.slates
    if slates is None:
        return NO_CHAMPION
    kept = overlaps(slates, scene.windows.current)
    paired = ~np.isnan(kept[:, -1]) & ~np.isnan(kept[:, :-1]).all(axis=1)
    kept = kept[paired]
    n = (len(kept), len(kept))
    if lacking := too_few(n, config.min_users, what="users with slates in three periods running"):
        return lacking
    usual = np.nanmean(kept[:, :-1], axis=1)
    drop = usual - kept[:, -1]
    signs = np.random.default_rng(scene.seed).choice([-1.0, 1.0], (scene.permutations, len(drop)))
    base = max(float(usual.mean()), 1e-9)
    null = (signs @ drop) / len(drop) / base
    seen = float(drop.mean()) / base
    return Measurement(
        evidence=Evidence(
            statistic=seen,
            p_value=p_value(seen, null),
            chance=float(np.quantile(null, 0.95)),
            ordinary=_ordinary(kept[:, :-1]),
        ),
        users=n,
        said=f"{kept[:, -1].mean():.0%} of a slate stayed since the period before; "
        f"{usual.mean():.0%} is usual",
    )


def overlaps(slates: Slates, current: int) -> NDArray[np.float64]:
    """Shared part of each user's slates in consecutive periods.

    Returns:
        (n_users, n_pairs), the newest pair last; NaN where a user lacks one of the two.
    """
    users, row = np.unique(slates.users, return_inverse=True)
    first = int(slates.periods.min()) if len(slates.periods) else current
    top_k = slates.videos.shape[1]
    table = np.full((len(users), current - first + 1, top_k), -1, dtype=np.int64)
    table[row, slates.periods - first] = slates.videos
    shared = (table[:, :-1, :, None] == table[:, 1:, None, :]).any(axis=-1).mean(axis=-1)
    missing = (table[:, :-1, 0] < 0) | (table[:, 1:, 0] < 0)
    return np.where(missing, np.nan, shared)


def _ordinary(past: NDArray[np.float64]) -> float:
    """Largest relative drop of one reference pair against the others; NaN with fewer than two."""
    if past.shape[1] < 2:
        return float("nan")
    drops = []
    for pair in range(past.shape[1]):
        others = np.delete(past, pair, axis=1)
        both = ~np.isnan(past[:, pair]) & ~np.isnan(others).all(axis=1)
        if both.any():
            usual = np.nanmean(others[both], axis=1)
            drops.append(1 - float(past[both, pair].mean()) / max(float(usual.mean()), 1e-9))
    return max(drops, default=float("nan"))
