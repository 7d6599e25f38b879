"""From exposures to labels: what a ranker is to predict, by the policy in the settings.

The label is one yes or no per exposure; beside it stand the outcomes by themselves.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.exposures import Exposures
from kinoloop.data.interest import watch_shares
from kinoloop.data.rating_scale import USUAL, liked_from
from kinoloop.data.watch_quantiles import WatchQuantiles
from kinoloop.ranking.config import OUTCOMES, LabelConfig


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
    found = _judged(exposures, durations_s, policy, quantiles)
    yes = found.watched | found.rated
    if policy.positive:
        yes |= exposures.happened(*policy.positive)
    no = found.low
    if policy.negative:
        no |= exposures.happened(*policy.negative)
    return np.asarray(yes & ~no)


def outcomes(
    exposures: Exposures,
    durations_s: NDArray[np.floating],
    policy: LabelConfig,
    quantiles: WatchQuantiles,
) -> NDArray[np.bool_]:
    """Whether each outcome came of each exposure, (n, len(OUTCOMES)); see `label`."""
    found = _judged(exposures, durations_s, policy, quantiles)
    happened = exposures.happened
    columns = {
        "watch": found.watched,
        "like": happened("like") | found.rated,
        "dislike": happened("dislike") | found.low,
        "hide": happened("not_interested"),
        **{kind: happened(kind) for kind in ("save", "share", "comment", "skip", "report")},
    }
    return np.stack([columns[name] for name in OUTCOMES], axis=1)


class _Judged(NamedTuple):
    """What the numbers of exposures say, (n,) each: watched far enough, rated well, rated badly."""

    watched: NDArray[np.bool_]
    rated: NDArray[np.bool_]
    low: NDArray[np.bool_]


def _judged(
    exposures: Exposures,
    durations_s: NDArray[np.floating],
    policy: LabelConfig,
    quantiles: WatchQuantiles,
) -> _Judged:
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
    low = exposures.happened("rating") & (exposures.ratings < threshold)
    return _Judged(watched, rated, low)


def view_quantiles(exposures: Exposures, durations_s: NDArray[np.floating]) -> WatchQuantiles:
    """Quantiles of watch time of the exposures that were watched."""
    viewed = exposures.happened("view")
    return WatchQuantiles.fit(exposures.watch_s[viewed], durations_s[exposures.videos[viewed]])
