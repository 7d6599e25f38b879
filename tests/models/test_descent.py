"""ALS, L-BFGS and stochastic descent: different ways to the same minimum and the same ranks."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import spearmanr

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.biased_mf import BiasedMf
from kinoloop.models.descent import alternate, quasi_newton, stochastic
from kinoloop.models.factorization import Factors, Objective
from kinoloop.models.watching import silent
from kinoloop.testing.toy import toy_catalogue

N_USERS, N_VIDEOS, TASTES = 100, 40, 2
TARGETS = {"implicit": 0.03, "explicit": 0.0}
# With explicit targets and no factor to spare, every solver ends in a worse minimum now and then;
# with implicit ones a factor to spare fits what was drawn, and many points are nearly as good.
FACTORS = {"implicit": TASTES, "explicit": TASTES + 1}


def world(target):
    """Users who watch what two tastes and a bias make them like, and rate it with some noise."""
    rng = np.random.default_rng(0)
    taste = rng.normal(size=(N_USERS, TASTES)) @ rng.normal(size=(TASTES, N_VIDEOS))
    wanted = taste + rng.normal(0, 1, N_VIDEOS)
    rows = []
    for row in wanted:
        videos = np.argsort(-row - rng.gumbel(size=N_VIDEOS))[: int(rng.integers(5, 20))]
        weights = row[videos] + rng.normal(0, 0.1, len(videos)) + 3
        rated = weights if target == "explicit" else np.ones(len(videos))
        rows.append([Interaction(int(v), float(w)) for v, w in zip(videos, rated, strict=True)])
    return Histories.from_rows(rows)


def problem(target):
    settings = {"target": target, "factors": FACTORS[target], "regularization": 0.02}
    model = BiasedMf(BiasedMf.Config(**settings))
    objective = Objective(
        model._observed(world(target), decay=1.0),
        N_VIDEOS,
        unobserved_weight=TARGETS[target],
        regularization=0.02,
    )
    rng = np.random.default_rng(1)
    users, videos = (rng.normal(0, 0.1, (n, 1 + FACTORS[target])) for n in (N_USERS, N_VIDEOS))
    return objective, Factors(users, videos)


@pytest.mark.parametrize("target", TARGETS)
def test_the_three_solvers_reach_one_minimum(target):
    objective, start = problem(target)
    least = objective.whole(alternate(objective, start, sweeps=100, report=silent))[0]
    newton = quasi_newton(objective, start, passes=400, report=silent)
    drawn = stochastic(
        objective, start, passes=300, rate=0.5, rng=np.random.default_rng(2), report=silent
    )
    assert objective.whole(start)[0] > 1.3 * least
    assert objective.whole(newton)[0] == pytest.approx(least, rel=1e-3)
    assert objective.whole(drawn)[0] == pytest.approx(least, rel=1e-2)


@pytest.mark.parametrize("target", TARGETS)
def test_the_three_solvers_rank_alike(target):
    histories = world(target)
    common = {"target": target, "factors": FACTORS[target], "regularization": 0.02, "decay": 1.0}
    by_solver = {
        solver: BiasedMf(BiasedMf.Config(**common, solver=solver, iterations=100, passes=300))
        .fit(histories, toy_catalogue(N_VIDEOS))
        .score(histories)
        for solver in ("als", "sgd", "lbfgs")
    }
    for other in ("sgd", "lbfgs"):
        pairs = zip(by_solver["als"], by_solver[other], strict=True)
        alike = [spearmanr(one, two).statistic for one, two in pairs]
        assert min(alike) > 0.95
        assert np.mean(alike) > 0.99


def test_sweeps_of_als_never_make_the_objective_larger():
    objective, start = problem("implicit")
    values = []
    for sweeps in range(6):
        found = alternate(objective, start, sweeps=sweeps, report=silent)
        values.append(objective.whole(found)[0])
    assert all(after <= before for before, after in pairwise(values))


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_each_pass_reports_the_objective_and_it_falls(solver):
    heard = []
    settings = {"solver": solver, "passes": 12, "factors": TASTES}
    BiasedMf(BiasedMf.Config(**settings)).fit(
        world("implicit"),
        toy_catalogue(N_VIDEOS),
        report=lambda name, value, step: heard.append((name, value, step)),
    )
    assert [(name, step) for name, _, step in heard] == [("objective", n) for n in range(12)]
    assert heard[-1][1] < heard[0][1]


def test_a_row_of_many_observations_takes_as_many_passes_as_one_of_few():
    """In the units of descent all rows curve alike: a thousand times the weight changes little."""
    objective, start = problem("implicit")
    heavy = Objective(objective.by_user, N_VIDEOS, unobserved_weight=30.0, regularization=0.02)
    found = quasi_newton(heavy, start, passes=60, report=silent)
    least = heavy.whole(alternate(heavy, start, sweeps=100, report=silent))[0]
    assert heavy.whole(found)[0] == pytest.approx(least, rel=1e-3)
