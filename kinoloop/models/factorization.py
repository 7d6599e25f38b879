"""The objective of biased matrix factorisation: one sum that every solver makes small.

With r̂(u, i) = μ + b_u + b_i + q_i·p_u, weights c, targets t and α₀ of what was not observed,

    J = Σ_observed c (t − r̂)² + α₀ Σ_all r̂² + Σ_u λ_u (b_u² + |p_u|²) + Σ_i λ_i (b_i² + |q_i|²),
    λ_u = λ max(n_u + α₀ n_videos, 1), λ_i = λ max(n_i + α₀ n_users, 1).

The sum over all pairs is never made pair by pair: with rows a_u = (μ + b_u, 1, p_u) and
c_i = (1, b_i, q_i), r̂ = a·c, it is the sum of the elementwise product of AᵀA and CᵀC. So value and
gradient cost what the observations do, and n · factors² on either side.

J is a sum over users once each has its share of the videos' penalty, so the gradient of some users,
drawn at random, is an unbiased estimate of that of all: `part` is what stochastic descent walks by,
`whole` what L-BFGS does, and `users_given` and `videos_given` the halves of alternating least
squares, each of which finds the exact minimum over one side.

Source: Hu, Koren and Volinsky, ICDM 2008; frequency-scaled λ of Rendle et al., RecSys 2022.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kinoloop.models.least_squares import Observed, Ridge

CHUNK_CELLS = 4_000_000  # of the products of observed pairs that are held at a time: 32 MB


class Factors(NamedTuple):
    """Bias and factors of both sides, or the gradient by them.

    Attributes:
        users: (n_users, 1 + factors) float64, b_u and p_u.
        videos: (n_videos, 1 + factors) float64, b_i and q_i.
    """

    users: NDArray[np.float64]
    videos: NDArray[np.float64]


class Objective:
    """J of some observations.

    Args:
        by_user: What is fitted to, a row per user.
        n_videos: Of the catalogue.
        unobserved_weight: α₀; 0 where only what was observed counts.
        regularization: λ.

    Attributes:
        mean: μ, the weighted mean of the targets.
        scales: (λ_u / λ, λ_i / λ) of each user and each video.
    """

    def __init__(
        self,
        by_user: Observed,
        n_videos: int,
        *,
        unobserved_weight: float,
        regularization: float,
    ) -> None:
        self.by_user, self._by_video = by_user, by_user.transposed(n_videos)
        self._unobserved, self._regularization = unobserved_weight, regularization
        sizes = (self.n_users, n_videos)
        total = by_user.weights.sum() + unobserved_weight * sizes[0] * sizes[1]
        self.mean = float((by_user.weights * by_user.targets).sum() / max(total, 1e-12))
        self.scales = (
            np.maximum(np.diff(by_user.offsets) + unobserved_weight * sizes[1], 1.0),
            np.maximum(np.diff(self._by_video.offsets) + unobserved_weight * sizes[0], 1.0),
        )

    @property
    def n_users(self) -> int:
        """Rows of the observations."""
        return len(self.by_user.offsets) - 1

    def users_given(self, videos: NDArray[np.float64]) -> NDArray[np.float64]:
        """Minimise over the users' side, (n_users, 1 + factors)."""
        return self._against(videos).solve(self.by_user)

    def videos_given(self, users: NDArray[np.float64]) -> NDArray[np.float64]:
        """Minimise over the videos' side, (n_videos, 1 + factors)."""
        return self._against(users).solve(self._by_video)

    def _against(self, others: NDArray[np.float64]) -> Ridge:
        return one_side(
            others,
            self.mean,
            unobserved_weight=self._unobserved,
            regularization=self._regularization,
        )

    def whole(self, at: Factors) -> tuple[float, Factors]:
        """Value and gradient of J."""
        return self._of(self.by_user, at, self.scales[0], share=1.0)

    def part(self, at: Factors, rows: NDArray[np.integer]) -> tuple[float, Factors]:
        """Value and gradient of what some users add to J.

        Args:
            at: The point; users are all of them.
            rows: (n,) which ones, each once.

        Returns:
            Its gradient by the users has the given rows only, (n, 1 + factors).
        """
        some = Factors(at.users[rows], at.videos)
        share = len(rows) / max(self.n_users, 1)
        return self._of(self.by_user.rows(rows), some, self.scales[0][rows], share=share)

    def _of(
        self, observed: Observed, at: Factors, scale: NDArray[np.float64], *, share: float
    ) -> tuple[float, Factors]:
        ones = np.ones((len(at.users), 1))
        left = np.hstack([at.users[:, :1] + self.mean, ones, at.users[:, 1:]])
        right = np.hstack([np.ones((len(at.videos), 1)), at.videos])
        error = _products(left, right, observed) - observed.targets
        pulls = observed.weights * error
        shape = (len(left), len(right))
        pulled = sp.csr_matrix((pulls, observed.columns, observed.offsets), shape=shape)
        by_left, by_right = pulled @ right, pulled.T @ left
        value = float(pulls @ error)
        if self._unobserved:
            gram_left, gram_right = left.T @ left, right.T @ right
            value += self._unobserved * float((gram_left * gram_right).sum())
            by_left += self._unobserved * (left @ gram_right)
            by_right += self._unobserved * (right @ gram_left)
        own = self._regularization * scale[:, None] * at.users
        others = share * self._regularization * self.scales[1][:, None] * at.videos
        value += float((own * at.users).sum() + (others * at.videos).sum())
        by_users = np.delete(by_left, 1, axis=1) + own
        return value, Factors(2 * by_users, 2 * (by_right[:, 1:] + others))


def one_side(
    others: NDArray[np.float64], mean: float, *, unobserved_weight: float, regularization: float
) -> Ridge:
    """Set up the problem of one side, given (bias, factors) of the other, (n, 1 + factors)."""
    features = others.copy()
    features[:, 0] = 1
    return Ridge(
        features,
        mean + others[:, 0],
        unobserved_weight=unobserved_weight,
        regularization=regularization,
    )


def _products(
    left: NDArray[np.float64], right: NDArray[np.float64], observed: Observed
) -> NDArray[np.float64]:
    """r̂ of each observed pair, (n,)."""
    rows = np.repeat(np.arange(len(left)), np.diff(observed.offsets))
    found = np.empty(len(rows))
    step = max(1, CHUNK_CELLS // left.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        found[part] = np.einsum("nw,nw->n", left[rows[part]], right[observed.columns[part]])
    return found
