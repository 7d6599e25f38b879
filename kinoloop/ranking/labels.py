"""From exposures to labels: what a ranker is to predict, by the policy in the settings."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.exposures import Exposures
from kinoloop.data.interest import watch_shares
from kinoloop.data.rating_scale import USUAL, liked_from
from kinoloop.data.watch_quantiles import WatchQuantiles
from kinoloop.ranking.config import LabelConfig


def label(
    exposures: Exposures,
    durations_s: NDArray[np.floating],
    policy: LabelConfig,
    quantiles: WatchQuantiles,
) -> NDArray[np.bool_]:
    """Whether each exposure should have been recommended, (n,).

    A negative event beats a positive one; a view counts by the policy; an impression with nothing
    after it is a no. A view of unknown length of watching counts as watched.

    Args:
        exposures: What was shown.
        durations_s: (n_videos,) seconds, NaN where unknown.
        policy: What counts.
        quantiles: Of training views; read where the policy asks for quantiles.
    """
    durations = durations_s[exposures.videos]
    viewed = exposures.happened("view")
    if policy.watch == "view":
        watched = viewed
    else:
        if policy.watch == "quantile":
            reached = quantiles.of(exposures.watch_s, durations)
        else:
            reached = watch_shares(exposures.watch_s, durations)
        watched = viewed & (np.isnan(reached) | (reached >= policy.min_watch))
    threshold = policy.rating_liked_from
    if threshold is None:
        given = exposures.ratings[np.isfinite(exposures.ratings)]
        threshold = liked_from(float(given.min()), float(given.max())) if len(given) else USUAL
    rated = exposures.happened("rating") & (exposures.ratings >= threshold)
    disliked = exposures.happened("rating") & (exposures.ratings < threshold)
    yes = watched | rated
    if policy.positive:
        yes |= exposures.happened(*policy.positive)
    no = disliked
    if policy.negative:
        no |= exposures.happened(*policy.negative)
    return np.asarray(yes & ~no)


def view_quantiles(exposures: Exposures, durations_s: NDArray[np.floating]) -> WatchQuantiles:
    """Quantiles of watch time of the exposures that were watched."""
    viewed = exposures.happened("view")
    return WatchQuantiles.fit(exposures.watch_s[viewed], durations_s[exposures.videos[viewed]])
