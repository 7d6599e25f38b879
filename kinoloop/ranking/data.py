"""What a ranker is fitted on: exposures with labels, and negatives where few were shown."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.exposures import Exposures
from kinoloop.data.histories import Histories
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.features import durations_of
from kinoloop.ranking.labels import label, view_quantiles
from kinoloop.schema import DAY_US

FEW_IMPRESSIONS = 0.05  # share of a day's exposures below which negatives are drawn for it


@dataclass(frozen=True)
class RankerData:
    """What a ranker is made from.

    Attributes:
        exposures: All that is known, oldest first.
        histories: What users did, all that is known.
        validation_from: µs; older exposures are learned from.
        test_from: µs; exposures from here on are only reported on.
        labels: (n,) of the exposures, where they come from elsewhere; None follows the policy.
    """

    exposures: Exposures
    histories: Histories
    validation_from: int
    test_from: int
    labels: NDArray[np.bool_] | None = None


def labelled(
    data: RankerData, catalogue: Catalogue, config: RankerConfig, seed: int
) -> tuple[Exposures, NDArray[np.bool_]]:
    """Give exposures with labels; days that have few impressions get drawn negatives.

    By day, because an installation that begins to record what it shows still learns from before.
    """
    exposures, labels = data.exposures, data.labels
    if labels is None:
        durations = durations_of(catalogue)
        earlier = exposures.select(exposures.timestamps < data.validation_from)
        quantiles = view_quantiles(earlier, durations)
        labels = label(exposures, durations, config.label, quantiles)
    _, day = np.unique(exposures.timestamps // DAY_US, return_inverse=True)
    share = np.bincount(day, weights=exposures.shown) / np.bincount(day)
    bare = (share < FEW_IMPRESSIONS)[day]
    if not bare.any():
        return exposures, labels
    drawn = np.repeat(np.flatnonzero(labels & bare), config.negatives)
    seen = replace(exposures, shown=exposures.shown | bare)
    return _with_negatives(seen, labels, drawn, np.random.default_rng(seed))


def _with_negatives(
    exposures: Exposures,
    labels: NDArray[np.bool_],
    liked: NDArray[np.intp],
    rng: np.random.Generator,
) -> tuple[Exposures, NDArray[np.bool_]]:
    """Draw a video that others watched for each of `liked`, as if it had been shown then, too.

    Drawn by the square root of popularity: uniform negatives would only teach what is popular.
    """
    counts = np.bincount(exposures.videos).astype(np.float64)
    chances = np.cumsum(np.sqrt(counts))
    drawn = exposures.select(liked)
    videos = np.searchsorted(chances, rng.random(len(liked)) * chances[-1]).astype(np.int32)
    drawn = replace(
        drawn,
        videos=videos,
        kinds=np.zeros_like(drawn.kinds),
        watch_s=np.full(len(drawn), np.nan, dtype=np.float32),
        shown=np.ones(len(drawn), dtype=np.bool_),
    )
    order = np.argsort(np.concatenate([exposures.timestamps, drawn.timestamps]), kind="stable")
    joined: dict[str, Any] = {
        f.name: np.concatenate([getattr(exposures, f.name), getattr(drawn, f.name)])[order]
        for f in fields(Exposures)
        if isinstance(getattr(exposures, f.name), np.ndarray)
    }
    whole = np.concatenate([labels, np.zeros(len(drawn), dtype=np.bool_)])[order]
    return replace(exposures, **joined), whole
