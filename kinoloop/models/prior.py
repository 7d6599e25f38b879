"""The popularity prior: what an empty history is answered with, and what orders equals."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.kinds import DAY_US

COUNTED_AT_A_TIME = 2**20  # events; histories may be memory-mapped


def popularity_prior(
    histories: Histories, n_videos: int, half_life_days: float
) -> NDArray[np.float32]:
    """Time-decayed interest in each video, (n_videos,) in [0, 1]; the highest is 1."""
    if not len(histories.videos):
        return np.zeros(n_videos, dtype=np.float32)
    newest, counts = histories.timestamps.max(), np.zeros(n_videos)
    for start in range(0, len(histories.videos), COUNTED_AT_A_TIME):
        part = slice(start, start + COUNTED_AT_A_TIME)
        age_days = (newest - histories.timestamps[part]) / DAY_US
        weights = np.maximum(histories.weights[part], 0) * np.exp2(-age_days / half_life_days)
        counts += np.bincount(histories.videos[part], weights=weights, minlength=n_videos)
    return (counts / max(float(counts.max()), 1e-12)).astype(np.float32)
