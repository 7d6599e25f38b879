"""One objective of matrix factorisation: its value, its gradient, and its parts."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from kinoloop.models.factorization import Factors, Objective
from kinoloop.models.least_squares import Observed

N_USERS, N_VIDEOS, WIDTH = 7, 9, 3
UNOBSERVED, REGULARIZATION = 0.2, 0.1


def observations():
    rng = np.random.default_rng(0)
    lengths = [0, 3, 1, 5, 2, 9, 4]
    columns = np.concatenate([rng.choice(N_VIDEOS, n, replace=False) for n in lengths])
    n = len(columns)
    return Observed(np.cumsum([0, *lengths]), columns, rng.uniform(0.5, 2, n), rng.normal(1, 1, n))


def objective(unobserved):
    return Objective(
        observations(), N_VIDEOS, unobserved_weight=unobserved, regularization=REGULARIZATION
    )


def point(seed=1):
    rng = np.random.default_rng(seed)
    return Factors(rng.normal(size=(N_USERS, WIDTH)), rng.normal(size=(N_VIDEOS, WIDTH)))


def by_hand(at, unobserved):
    """The sum as it is written, pair by pair."""
    observed, total = observations(), 0.0
    pairs = N_USERS * N_VIDEOS * unobserved + observed.weights.sum()
    mean = (observed.weights * observed.targets).sum() / pairs
    predicted = mean + at.users[:, :1] + at.videos[:, 0] + at.users[:, 1:] @ at.videos[:, 1:].T
    for user in range(N_USERS):
        for place in range(observed.offsets[user], observed.offsets[user + 1]):
            error = observed.targets[place] - predicted[user, observed.columns[place]]
            total += observed.weights[place] * error**2
    total += unobserved * (predicted**2).sum()
    for user, row in enumerate(at.users):
        n = np.diff(observed.offsets)[user] + unobserved * N_VIDEOS
        total += REGULARIZATION * max(n, 1) * (row**2).sum()
    for video, row in enumerate(at.videos):
        n = (observed.columns == video).sum() + unobserved * N_USERS
        total += REGULARIZATION * max(n, 1) * (row**2).sum()
    return total


@pytest.mark.parametrize("unobserved", [0.0, UNOBSERVED])
def test_the_value_is_the_sum_over_all_pairs(unobserved):
    value, _ = objective(unobserved).whole(point())
    assert value == pytest.approx(by_hand(point(), unobserved), rel=1e-12)


@pytest.mark.parametrize("unobserved", [0.0, UNOBSERVED])
def test_the_gradient_is_that_of_finite_differences(unobserved):
    problem = objective(unobserved)

    def at(flat):
        users, videos = np.split(flat, [N_USERS * WIDTH])
        return Factors(users.reshape(-1, WIDTH), videos.reshape(-1, WIDTH))

    flat = np.concatenate([part.ravel() for part in point()])
    size = np.linalg.norm(gradient_of(problem, at(flat)))
    error = check_grad(
        lambda z: problem.whole(at(z))[0], lambda z: gradient_of(problem, at(z)), flat
    )
    assert error < 1e-6 * size


def gradient_of(problem, at):
    return np.concatenate([part.ravel() for part in problem.whole(at)[1]])


@pytest.mark.parametrize("unobserved", [0.0, UNOBSERVED])
def test_parts_of_the_users_add_up_to_the_whole(unobserved):
    problem, at = objective(unobserved), point()
    value, gradient = problem.whole(at)
    order = np.array([3, 0, 6, 2, 5, 1, 4])
    parts = [problem.part(at, rows) for rows in (order[:2], order[2:5], order[5:])]
    assert sum(part[0] for part in parts) == pytest.approx(value, rel=1e-12)
    users = np.concatenate([part[1].users for part in parts])
    np.testing.assert_allclose(users, gradient.users[order])
    np.testing.assert_allclose(sum(part[1].videos for part in parts), gradient.videos)


@pytest.mark.parametrize("unobserved", [0.0, UNOBSERVED])
def test_each_half_of_als_ends_where_its_side_has_no_gradient(unobserved):
    problem, at = objective(unobserved), point()
    users = problem.users_given(at.videos)
    np.testing.assert_allclose(problem.whole(Factors(users, at.videos))[1].users, 0, atol=1e-9)
    videos = problem.videos_given(at.users)
    np.testing.assert_allclose(problem.whole(Factors(at.users, videos))[1].videos, 0, atol=1e-9)


def test_the_value_does_not_change_with_how_pairs_are_cut(monkeypatch):
    whole = objective(UNOBSERVED).whole(point())[0]
    monkeypatch.setattr("kinoloop.models.factorization.CHUNK_CELLS", 1)
    assert objective(UNOBSERVED).whole(point())[0] == pytest.approx(whole, rel=1e-12)
