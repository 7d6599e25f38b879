"""What a place that was shown brought, as a number: the reward of off-policy estimates."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.exposures import Exposures
from kinoloop.errors import ConfigError
from kinoloop.ranking.config import OUTCOMES, RankerConfig
from kinoloop.ranking.labels import label, outcomes, view_quantiles
from kinoloop.schema import EVENT_KINDS

WANTED = "wanted"
"""What the ranker is to predict: `[ranker.label]`."""

VALUE = "value"
"""The weighted sum of what came of it: `[ranker.value]`."""

NO_REWARD = ("impression", "search", "undo", "identify")
KINDS = tuple(kind for kind in EVENT_KINDS if kind not in NO_REWARD)


def rewards(
    shown: Exposures, durations_s: NDArray[np.floating], name: str, config: RankerConfig
) -> NDArray[np.float64]:
    """Return what each exposure brought, (n,).

    Args:
        shown: What was shown; a video is −1 where it is unknown.
        durations_s: (n_videos,) seconds, NaN where unknown.
        name: `wanted`, `value`, or a kind of event: 1 where it happened.
        config: Says what is wanted, and what each outcome is worth.

    Raises:
        ConfigError: There is no such reward.
    """
    if name in KINDS:
        return shown.happened(name).astype(np.float64)
    if name not in {WANTED, VALUE}:
        raise ConfigError(f"the reward is {name!r}; there are {', '.join((WANTED, VALUE, *KINDS))}")
    durations = np.append(durations_s, np.nan)  # the last one is that of an unknown video
    quantiles = view_quantiles(shown, durations)
    if name == VALUE:
        weights = config.value.weights()
        came = outcomes(shown, durations, config.label, quantiles)
        worth = np.array([weights[outcome] for outcome in OUTCOMES])
        return np.asarray(came @ worth)
    return label(shown, durations, config.label, quantiles).astype(np.float64)
