"""A model of the reward of a place, for doubly robust estimates: which place, which video.

    q̂(v, k) = b(k) (1 + θ(v)),   θ(v) = Σ b(k) (r − b(k)) / (Σ b(k)² + λ)

with b(k) the mean reward at place k, the sums over what v brought wherever it was shown, and λ as
heavy as `PRIOR` places: a ridge regression by video, so that a rare video counts like an average
one. It knows nothing of users; an estimate stays right without, with more noise.

Each user's places are predicted from the other folds' users alone: what a model was fitted on must
not correct it. Where a fold has no such place, the mean of all places of the others is taken.

Source: Chernozhukov et al., 2018, section 3 (cross-fitting).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
PRIOR = 20.0
"""Places that a video is taken to have been shown at with the mean reward."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RewardModel:
    """One model per fold.

    Attributes:
        by_place: (folds, k) mean reward; the last column is for all places further down.
        by_video: (folds, n_videos + 1) θ; the last one, 0, is of unknown videos.
    """

    by_place: Floats
    by_video: Floats

    @classmethod
    def fit(
        cls,
        rewards: Floats,
        places: NDArray[np.integer],
        videos: NDArray[np.integer],
        users: NDArray[np.integer],
        *,
        n_videos: int,
    ) -> "RewardModel":
        """Fit on what was shown.

        Args:
            rewards: (n,) what each place brought.
            places: (n,) from 0.
            videos: (n,) positions in a catalogue; −1 for unknown ones.
            users: (n,) from 0.
            n_videos: In the catalogue.
        """
        deep = int(places.max(initial=-1)) + 1
        means, lifts = np.zeros((FOLDS, deep + 1)), np.zeros((FOLDS, n_videos + 1))
        for fold in range(FOLDS):
            others = users % FOLDS != fold
            r, k, v = rewards[others], places[others], videos[others]
            mean = float(r.mean()) if len(r) else 0.0
            count = np.bincount(k, minlength=deep + 1)
            total = np.bincount(k, r, deep + 1)
            base = np.divide(total, count, out=np.full(deep + 1, mean), where=count > 0)
            means[fold] = base
            known = v >= 0
            b = base[k[known]]
            wanted = np.bincount(v[known], b * (r[known] - b), n_videos + 1)
            weight = np.bincount(v[known], b**2, n_videos + 1)
            prior = PRIOR * max(float((base[k] ** 2).mean()) if len(k) else 0.0, 1e-12)
            lifts[fold] = wanted / (weight + prior)
        return cls(means, lifts)

    def predict(
        self,
        places: NDArray[np.integer],
        videos: NDArray[np.integer],
        users: NDArray[np.integer],
    ) -> Floats:
        """Reward of videos at places, (n,), each by the model that has not seen its user."""
        fold = users % FOLDS
        at = np.minimum(places, self.by_place.shape[1] - 1)
        return np.asarray(self.by_place[fold, at] * (1 + self.by_video[fold, videos]))
