"""Diversity by maximal marginal relevance: what is like a video of the slate is worth less.

At each place a candidate loses `weight` times its likeness to the nearest one before it.

Source: Carbonell and Goldstein, SIGIR 1998.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.policy.head import Context, Head, Rule
from kinoloop.policy.likeness import Alike, Likeness
from kinoloop.settings import Config


class MmrConfig(Config):
    """Diversity by maximal marginal relevance."""

    weight: float = Field(
        0.0,
        ge=0,
        description="Share of the way from the worst to the best candidate that the same again "
        "loses; 0: off.",
    )


class Mmr(Rule):
    """Keeps what is alike apart.

    Args:
        config: How much.
        likeness: What alike means.
    """

    name = "mmr"

    def __init__(self, config: MmrConfig, likeness: Likeness) -> None:
        self._weight, self._likeness = config.weight, likeness

    def begin(self, head: Head, context: Context) -> "_Nearest":  # noqa: ARG002 (as of Rule)
        """Begin a slate."""
        return _Nearest(self._likeness.of(head.videos), len(head.videos), self._weight)


class _Nearest:
    def __init__(self, alike: Alike, n: int, weight: float) -> None:
        self._alike, self._weight = alike, weight
        self._penalty = np.zeros(n)

    def penalty(self, place: int) -> NDArray[np.float64]:  # noqa: ARG002 (as of Course)
        return self._penalty

    def take(self, at: int) -> None:
        np.maximum(self._penalty, self._weight * self._alike.to(at), out=self._penalty)
