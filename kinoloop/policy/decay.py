"""Decay: every further video of one creator is worth less than the one before.

The n-th video of a creator that is already n times in the slate counts max(floor, factorⁿ) of its
relevance. Unlike a limit, it forbids nothing: a creator who is far better still comes twice.

Source: the author diversity of the home timeline that X published in 2023.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.policy.head import Context, Head, Rule
from kinoloop.settings import Config


class DecayConfig(Config):
    """Every further video of one creator is worth less."""

    factor: float = Field(
        1.0, gt=0, le=1, description="What is left of the relevance of each further one; 1: all."
    )
    floor: float = Field(0.25, ge=0, le=1, description="It never falls below this share.")
    column: str = Field("creator_id", description="Whose value makes videos belong together.")


class Decay(Rule):
    """Lowers what comes again.

    Args:
        config: By how much.
        codes: (n_videos,) value of each video; −1 for none, which never comes again.
    """

    name = "decay"

    def __init__(self, config: DecayConfig, codes: NDArray[np.int32]) -> None:
        self._config, self._codes = config, codes

    def begin(self, head: Head, context: Context) -> "_Decaying":  # noqa: ARG002 (as of Rule)
        """Begin to count."""
        return _Decaying(self._config, self._codes[head.videos], head.relevance)


class _Decaying:
    def __init__(
        self, config: DecayConfig, codes: NDArray[np.int32], relevance: NDArray[np.float64]
    ) -> None:
        self._config, self._codes, self._relevance = config, codes, relevance
        self._left = np.ones(len(codes))
        self._penalty = np.zeros(len(codes))

    def penalty(self, place: int) -> NDArray[np.float64]:  # noqa: ARG002 (as of Course)
        return self._penalty

    def take(self, at: int) -> None:
        code = self._codes[at]
        if code < 0:
            return
        same = self._codes == code
        self._left[same] *= self._config.factor
        kept = np.maximum(self._left[same], self._config.floor)
        self._penalty[same] = (1 - kept) * self._relevance[same]
