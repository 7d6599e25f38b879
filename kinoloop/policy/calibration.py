"""Calibration: a slate is about what its user watches, in the same shares.

Who watches 70 % drama and 30 % sport should not see drama alone. At each place a candidate loses
`weight` times the Kullback-Leibler divergence that the slate would then have:

    KL(p ‖ q̃) = Σ p(g) log(p(g) / q̃(g)),   q̃ = (1 − α) q + α p,   α = 0.01

with p the shares of the labels in the user's history, by interest, and q those of the slate.

Source: Steck, RecSys 2018, "Calibrated Recommendations", sections 3 and 4.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.policy.bags import Bags
from kinoloop.policy.columns import Words
from kinoloop.policy.head import Context, Head, Rule
from kinoloop.settings import Config

ALPHA = 0.01
"""Of the paper: keeps the divergence finite where a slate has nothing of a label."""


class CalibrationConfig(Config):
    """A slate has labels in the shares of its user's history."""

    weight: float = Field(
        0.0, ge=0, description="What the divergence costs, in units of relevance; 0: off."
    )
    column: str = Field("category", description="Whose values are compared.")


class Calibration(Rule):
    """Keeps the mix.

    Args:
        config: How much.
        column: Whose values are compared.
        n_videos: In the catalogue.
    """

    name = "calibration"

    def __init__(self, config: CalibrationConfig, column: Words, n_videos: int) -> None:
        self._weight = config.weight
        self._shares = Bags([column], n_videos, by=1)

    def begin(self, head: Head, context: Context) -> "_Mixed | None":
        """Begin a slate; nothing to say of somebody whose history has no labels."""
        liked = np.flatnonzero(context.history.weights > 0)
        rows, codes, shares = self._shares.cells(context.history.videos[liked])
        mix = np.bincount(codes, weights=context.history.weights[liked][rows] * shares)
        there = np.flatnonzero(mix)
        if not len(there):
            return None
        wanted = mix[there] / mix[there].sum()
        return _Mixed(wanted, self._shares.among(head.videos, there), self._weight)


class _Mixed:
    def __init__(
        self, wanted: NDArray[np.float64], shares: NDArray[np.float64], weight: float
    ) -> None:
        self._wanted, self._shares, self._weight = wanted, shares, weight
        self._sum, self._taken = np.zeros(len(wanted)), 0

    def penalty(self, place: int) -> NDArray[np.float64]:  # noqa: ARG002 (as of Course)
        return self._weight * divergence(
            self._wanted, (self._sum + self._shares) / (self._taken + 1)
        )

    def take(self, at: int) -> None:
        self._sum += self._shares[at]
        self._taken += 1


def divergence(wanted: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """KL(p ‖ q̃) of each row, (n,).

    Args:
        wanted: (n_labels,) p, > 0.
        shares: (n, n_labels) q.

    Examples:
        >>> divergence(np.array([0.7, 0.3]), np.array([[0.7, 0.3], [1.0, 0.0]])).round(3).tolist()
        [0.0, 1.134]
    """
    mixed = np.log((1 - ALPHA) * shares + ALPHA * wanted)
    return np.asarray(wanted @ np.log(wanted) - mixed @ wanted)
