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

FEW_IMPRESSIONS = 0.05  # share of exposures below which negatives are drawn


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
    """Give exposures with labels; where the data has few impressions, with drawn negatives."""
    exposures, labels = data.exposures, data.labels
    if labels is None:
        durations = durations_of(catalogue)
        earlier = exposures.select(exposures.timestamps < data.validation_from)
        quantiles = view_quantiles(earlier, durations)
        labels = label(exposures, durations, config.label, quantiles)
    if exposures.shown.mean() >= FEW_IMPRESSIONS:
        return exposures, labels
    return _with_negatives(exposures, labels, config.negatives, np.random.default_rng(seed))


def _with_negatives(
    exposures: Exposures, labels: NDArray[np.bool_], negatives: int, rng: np.random.Generator
) -> tuple[Exposures, NDArray[np.bool_]]:
    """Draw videos that others watched as if they had been shown at the same moment.

    Drawn by the square root of popularity: uniform negatives would only teach what is popular.
    """
    counts = np.bincount(exposures.videos).astype(np.float64)
    chances = np.cumsum(np.sqrt(counts))
    liked = np.repeat(np.flatnonzero(labels), negatives)
    drawn = exposures.select(liked)
    videos = np.searchsorted(chances, rng.random(len(liked)) * chances[-1]).astype(np.int32)
    drawn = replace(
        drawn,
        videos=videos,
        kinds=np.zeros_like(drawn.kinds),
        watch_s=np.full(len(drawn), np.nan, dtype=np.float32),
    )
    order = np.argsort(np.concatenate([exposures.timestamps, drawn.timestamps]), kind="stable")
    joined: dict[str, Any] = {
        f.name: np.concatenate([getattr(exposures, f.name), getattr(drawn, f.name)])[order]
        for f in fields(Exposures)
        if isinstance(getattr(exposures, f.name), np.ndarray)
    }
    joined["shown"] = np.ones(len(order), dtype=np.bool_)
    whole = np.concatenate([labels, np.zeros(len(drawn), dtype=np.bool_)])[order]
    return replace(exposures, **joined), whole
