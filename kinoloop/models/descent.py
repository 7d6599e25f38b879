"""Three ways down the objective of biased matrix factorisation; given time, to one value.

| solver | a pass | to within 1 % of the minimum |
|---|---|---|
| `alternate` | exact minimum over one side, then over the other | some 15 to 30 sweeps |
| `quasi_newton` | L-BFGS over both sides at once | some 100, each a fraction of a sweep |
| `stochastic` | ten steps, each by the gradient of a tenth of the users | some 300 |

The two that follow gradients work on rows multiplied by √(λ_row / λ): a row of many observations
curves as much more as it is longer, and in these units all rows curve alike. Stochastic descent
takes Adam's steps, whose length falls to 0 in a straight line, so that the noise of drawing users
dies out; moments of a user change only when the user is drawn.

Source: Koren, Bell and Volinsky, IEEE Computer 42(8), 2009 (SGD and ALS); Liu and Nocedal,
Mathematical Programming 45, 1989 (L-BFGS); Kingma and Ba, ICLR 2015 (Adam).
"""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from kinoloop.models.factorization import Factors, Objective
from kinoloop.models.watching import Report

logger = logging.getLogger(__name__)

STEPS = 10  # of stochastic descent per pass; more and smaller ones were noisier, not faster
MEMORY = 10  # pairs of steps and gradients that L-BFGS keeps
FIRST, SECOND, TINY = 0.9, 0.99, 1e-12  # of Adam: decay of its moments, and what keeps it from 0/0


def alternate(objective: Objective, start: Factors, *, sweeps: int, report: Report) -> Factors:
    """Solve for users and for videos by turns; reports the mean `change` of a video's numbers."""
    users, videos = start
    for sweep in range(sweeps):
        users, before = objective.users_given(videos), videos
        videos = objective.videos_given(users)
        report("change", float(np.abs(videos - before).mean()), sweep)
    return Factors(users, videos)


def quasi_newton(objective: Objective, start: Factors, *, passes: int, report: Report) -> Factors:
    """Follow L-BFGS until it stands still, `passes` iterations at most; reports `objective`."""
    units, done = _units(objective), 0

    def value_and_gradient(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = objective.whole(_over(_unflat(point, start), units))
        return value, _flat(_over(gradient, units))

    def heard(intermediate_result: Any) -> None:  # noqa: ANN401 (SciPy's name, without a type)
        nonlocal done
        report("objective", float(intermediate_result.fun), done)
        done += 1

    found = minimize(
        value_and_gradient,
        _flat(Factors(start.users * units.users, start.videos * units.videos)),
        jac=True,
        method="L-BFGS-B",
        callback=heard,
        options={"maxiter": passes, "maxfun": 2 * passes + 20, "maxcor": MEMORY},
    )
    logger.info("L-BFGS: %d iterations, %s", found.nit, found.message)
    return _over(_unflat(found.x, start), units)


def stochastic(
    objective: Objective,
    start: Factors,
    *,
    passes: int,
    rate: float,
    rng: np.random.Generator,
    report: Report,
) -> Factors:
    """Follow the gradient of users drawn at random; reports the `objective` that each pass met.

    Args:
        objective: What becomes small.
        start: Where it begins.
        passes: Over all users.
        rate: First step's length, of a row with λ_row = λ.
        rng: Draws the order of users.
        report: Receives the sum of what each part added when its turn came.
    """
    units = _units(objective)
    users, videos = _Adam(start.users * units.users), _Adam(start.videos * units.videos)
    n_users, everything = objective.n_users, np.arange(len(start.videos))
    size = max(1, -(-n_users // STEPS))
    cuts = range(0, n_users, size)
    for done in range(passes):
        order, total = rng.permutation(n_users), 0.0
        for step, first in enumerate(cuts):
            rows = order[first : first + size]
            at = _over(Factors(users.values, videos.values), units)
            value, gradient = objective.part(at, rows)
            length = rate * (1 - (done + step / len(cuts)) / passes)
            users.move(rows, gradient.users / units.users[rows], length)
            all_users = gradient.videos * (n_users / len(rows))
            videos.move(everything, all_users / units.videos, length)
            total += value
        report("objective", total, done)
    return _over(Factors(users.values, videos.values), units)


class _Adam:
    """Numbers that move by Adam's rule, row by row.

    Args:
        values: (n, width) where they begin.
    """

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.values = values
        self._first, self._second = np.zeros_like(values), np.zeros_like(values)
        self._times = np.zeros((len(values), 1))

    def move(self, rows: NDArray[np.integer], gradient: NDArray[np.float64], length: float) -> None:
        """Move some rows, each once, in place."""
        self._times[rows] += 1
        first = FIRST * self._first[rows] + (1 - FIRST) * gradient
        second = SECOND * self._second[rows] + (1 - SECOND) * gradient**2
        self._first[rows], self._second[rows] = first, second
        mean = first / (1 - FIRST ** self._times[rows])
        spread = np.sqrt(second / (1 - SECOND ** self._times[rows]) + TINY)
        self.values[rows] -= length * mean / spread


def _units(objective: Objective) -> Factors:
    """√(λ_row / λ) of each row, (n_users, 1) and (n_videos, 1)."""
    users, videos = (np.sqrt(scale)[:, None] for scale in objective.scales)
    return Factors(users, videos)


def _over(point: Factors, units: Factors) -> Factors:
    return Factors(point.users / units.users, point.videos / units.videos)


def _flat(point: Factors) -> NDArray[np.float64]:
    return np.concatenate([point.users.ravel(), point.videos.ravel()])


def _unflat(flat: NDArray[np.float64], like: Factors) -> Factors:
    users, videos = np.split(flat, [like.users.size])
    return Factors(users.reshape(like.users.shape), videos.reshape(like.videos.shape))
