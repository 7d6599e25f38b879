"""Going on from an earlier training instead of from random weights.

What a training leaves is named by video id and by word, never by position: catalogues grow and
shrink in between. How much is learned from is the new events and a replay of old ones, because a
network that sees only the newest week forgets the rest.

Source: Robins, Connection Science 7(2), 1995 (rehearsal against forgetting).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.errors import BundleError
from kinoloop.models.state import State

if TYPE_CHECKING:  # see usable.py
    from kinoloop.data.ids import IdMap


@dataclass(frozen=True)
class WarmStart:
    """An earlier training, and how to go on from it.

    Attributes:
        weights: What `Recommender.learned` gave.
        videos: Of the catalogue that it was fitted with; rows per video are in this order.
        trained_until: Newest event that it has learned from, µs since the epoch.
        replay: Old examples learned again, per new one.
        rate: Of the learning rate of a training from scratch.
        epochs: Share of the epochs of a training from scratch.
        identity: Changes when any of the weights does.
    """

    weights: State
    videos: "IdMap"
    trained_until: int
    replay: float = 1.0
    rate: float = 1.0
    epochs: float = 0.5
    identity: str = ""

    def places(self, ids: "IdMap") -> NDArray[np.int32]:
        """For each video its row in what was learned, (n_videos,) int32; -1 where it is new."""
        return self.videos.indices(ids.ids)

    def fewer(self, epochs: int) -> int:
        """Return how many of a training's epochs are left; at least one."""
        return max(1, round(epochs * self.epochs))

    def array(self, name: str, shape: tuple[int, ...] | None = None) -> NDArray[np.float32]:
        """One array, of the given shape.

        Raises:
            BundleError: It is not there, or of another shape; the training must start anew.
        """
        found = self.weights.get(name)
        if found is None or (shape is not None and found.shape != shape):
            got = "is missing" if found is None else f"has the shape {found.shape}"
            raise BundleError(
                f"the earlier training's {name} {got}, expected {shape}; it was another network: "
                "train from scratch"
            )
        return found

    def replayed(
        self, timestamps: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Choose what is learned from: all that is new, and `replay` times as much that is not.

        Args:
            timestamps: (n,) when each example happened, µs.
            rng: Draws the old ones, without replacement.

        Returns:
            Positions, ascending.
        """
        new = np.flatnonzero(timestamps > self.trained_until)
        old = np.flatnonzero(timestamps <= self.trained_until)
        again = rng.permutation(old)[: round(self.replay * len(new))]
        return np.sort(np.concatenate([new, again]))
