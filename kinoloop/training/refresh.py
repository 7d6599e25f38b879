"""Refresh: teach a release that has its proof the newest window, and check that it got no worse.

The proof of a release lies in a window that it has not learned. Once it is proven, the same recipe
goes on over that window for a fixed number of steps: nothing is chosen, so nothing needs a window
of its own. A share of the users is kept out of the lesson; on what they did in the newest window
the refreshed release must not be worse than the proven one by more than a margin. That is a guard
and no second proof: what others did at the same time was learned.

Source: Piaggio et al., JAMA 308(24), 2012 (non-inferiority: the interval must lie above −margin).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from kinoloop.data.histories import Histories
from kinoloop.data.sampling import evenly_spaced
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import Evaluation
from kinoloop.evaluation.split import Holdout
from kinoloop.models.base import Recommender, build
from kinoloop.models.blend import Blend
from kinoloop.models.warm_start import WarmStart
from kinoloop.settings import Config, FrozenRecord
from kinoloop.training.outcome import SELECTION_METRIC


class RefreshConfig(Config):
    """Settings of `[retrain]` about teaching a proven release the newest window."""

    refresh: bool = Field(
        default=False, description="Teach a promoted release the newest window, too."
    )
    refresh_holdout: float = Field(
        0.2, gt=0, lt=1, description="Share of the window's users that guard it and are not taught."
    )
    refresh_margin: float = Field(
        0.1, ge=0, lt=1, description="Share of NDCG@10 that it may lose with them, at worst."
    )


@dataclass(frozen=True)
class Lesson:
    """What a refresh learns and what guards it.

    Attributes:
        histories: All that is known, without what the guard's users did in the window.
        guard: These users.
    """

    histories: Histories
    guard: Holdout


class Verdict(FrozenRecord):
    """Whether a refreshed release is worse than the proven one on the guard.

    Attributes:
        proven: NDCG@10 of the proven release.
        refreshed: NDCG@10 of the refreshed release.
        low: Lower end of the 95 % interval of the difference.
        bound: That it must lie above.
        users: Of the guard.
    """

    proven: float
    refreshed: float
    low: float
    bound: float
    users: int

    @property
    def passed(self) -> bool:
        """Whether it is not worse by more than the margin."""
        return self.low > self.bound

    @property
    def told(self) -> str:
        """For people."""
        return (
            f"{SELECTION_METRIC} {self.refreshed:.4f} against {self.proven:.4f} of the proven on "
            f"{self.users} users who were not taught; the interval begins at {self.low:+.4f}, "
            f"required above {self.bound:+.4f}"
        )


def lesson_of(histories: Histories, window: Holdout, share: float) -> Lesson:
    """Take everything but what some users did in the newest window.

    Args:
        histories: All that is known.
        window: The test window of the release.
        share: Of its users that are kept out, evenly spaced.
    """
    guard = window.rows(evenly_spaced(len(window), max(1, round(share * len(window)))))
    kept_out = np.isin(np.array(histories.user_ids), np.array(guard.histories.user_ids))
    begins = int(window.targets.timestamps.min())
    learned = ~(kept_out[histories.row_of] & (histories.timestamps >= begins))
    return Lesson(histories.select(learned), guard)


def teach(
    proven: Recommender, settings: Mapping[str, Any], lesson: Lesson, *, warm: WarmStart | None
) -> Recommender:
    """Fit the same recipe on a lesson, for a fixed number of steps.

    Args:
        proven: What it comes from; it stays as it is.
        settings: Of the recommender.
        lesson: What is learned.
        warm: What the proven one left; None where its kind is fitted anew.
    """
    refreshed = build(settings, seed=proven.seed)
    refreshed.warm = warm
    if isinstance(refreshed, Blend) and isinstance(proven, Blend):
        refreshed.like = proven
    with threadpool_limits(limits=1):
        return refreshed.fit(lesson.histories, proven.catalogue)


def compare(proven: Evaluation, refreshed: Evaluation, *, margin: float, seed: int) -> Verdict:
    """Weigh both on the guard's users."""
    before, after = proven.per_user[SELECTION_METRIC], refreshed.per_user[SELECTION_METRIC]
    found = paired(after, before, seed=seed)
    mean = float(proven.metrics[SELECTION_METRIC])
    return Verdict(
        proven=mean,
        refreshed=float(refreshed.metrics[SELECTION_METRIC]),
        low=found.low,
        bound=-margin * mean,
        users=found.n,
    )
