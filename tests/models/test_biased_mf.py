import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.biased_mf import BiasedMf
from kinoloop.models.least_squares import Observed, Ridge
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import toy_catalogue, toy_histories


class TestBiasedMf(RecommenderContract):
    recommender = BiasedMf
    asks_by_vector = True
    settings = {"factors": 4}


class TestBiasedMfByStochasticDescent(RecommenderContract):
    recommender = BiasedMf
    asks_by_vector = True
    settings = {"factors": 4, "solver": "sgd"}


class TestBiasedMfByQuasiNewton(RecommenderContract):
    recommender = BiasedMf
    asks_by_vector = True
    settings = {"factors": 4, "solver": "lbfgs"}


def objective(solution, row, features, fixed, alpha, ridge):
    columns, weights, liked = row
    predicted = fixed + features @ solution
    observed = (weights * (liked - predicted[columns]) ** 2).sum()
    return observed + alpha * (predicted**2).sum() + ridge * (solution**2).sum()


@pytest.mark.parametrize("length", [0, 2, 5, 9])
def test_a_row_is_at_the_minimum_of_its_objective_short_or_long(length):
    rng = np.random.default_rng(0)
    features, fixed = rng.standard_normal((12, 5)), rng.standard_normal(12) * 0.1
    columns = rng.choice(12, size=length, replace=False)
    weights, liked = rng.uniform(0.5, 2, length), (rng.random(length) < 0.7) * 1.0
    observed = Observed(np.array([0, length]), columns, weights, liked)
    ridge = Ridge(features, fixed, unobserved_weight=0.2, regularization=0.1)
    solved = ridge.solve(observed)[0]
    penalty = 0.1 * (length + 0.2 * 12)
    row = (columns, weights, liked)
    best = objective(solved, row, features, fixed, 0.2, penalty)
    for _ in range(20):
        other = solved + rng.standard_normal(5) * 0.01
        assert objective(other, row, features, fixed, 0.2, penalty) > best


def test_rows_do_not_change_with_how_they_are_batched(monkeypatch):
    rng = np.random.default_rng(1)
    lengths = [0, 3, 1, 7, 2]
    offsets = np.cumsum([0, *lengths])
    columns = np.concatenate([rng.choice(9, size=n, replace=False) for n in lengths])
    observed = Observed(offsets, columns.astype(int), np.ones(13), np.ones(13))
    features = rng.standard_normal((9, 4))

    ridge = Ridge(features, np.zeros(9), unobserved_weight=0.1, regularization=0.1)
    whole = ridge.solve(observed)
    monkeypatch.setattr("kinoloop.models.least_squares.CHUNK_CELLS", 1)
    np.testing.assert_allclose(ridge.solve(observed), whole, rtol=1e-9)


def test_transposed_keeps_every_observation():
    observed = Observed(
        np.array([0, 2, 3]), np.array([2, 0, 2]), np.array([1.0, 2.0, 3.0]), np.array([1.0, 0, 0.5])
    )
    by_column = observed.transposed(3)
    assert by_column.offsets.tolist() == [0, 1, 1, 3]
    assert by_column.columns.tolist() == [0, 0, 1]
    assert by_column.weights.tolist() == [2.0, 1.0, 3.0]
    assert by_column.targets.tolist() == [0, 1, 0.5]


def test_a_dislike_lowers_the_likes_of_its_kind():
    model = BiasedMf(BiasedMf.Config(factors=4)).fit(
        toy_histories(toy_catalogue()), toy_catalogue()
    )
    liked = model.score(Histories.from_rows([[Interaction(0), Interaction(2)]]))[0]
    mixed = model.score(Histories.from_rows([[Interaction(0), Interaction(2, weight=-2.0)]]))[0]
    assert mixed[4::2].mean() < liked[4::2].mean()


def explicit_world(n_users=80, n_videos=40, seed=0):
    """Ratings that are a bias of each side and one taste, and 5 % noise."""
    rng = np.random.default_rng(seed)
    users, videos = rng.normal(0, 0.5, n_users), rng.normal(0, 0.5, n_videos)
    taste = np.outer(rng.normal(size=n_users), rng.normal(size=n_videos))
    return 1 + users[:, None] + videos + taste, rng


def test_explicit_targets_predict_the_interest_that_was_held_out():
    truth, rng = explicit_world()
    shown = [np.sort(rng.choice(40, 25, replace=False)) for _ in truth]
    rows = [
        [Interaction(int(v), weight=float(truth[u, v])) for v in videos]
        for u, videos in enumerate(shown)
    ]
    histories = Histories.from_rows(rows)
    settings = {"target": "explicit", "factors": 2, "decay": 1.0, "regularization": 0.01}
    model = BiasedMf(BiasedMf.Config(**settings, iterations=20)).fit(histories, toy_catalogue())
    hidden = np.ones_like(truth, dtype=bool)
    for user, videos in enumerate(shown):
        hidden[user, videos] = False
    error = np.sqrt(np.square(model.score(histories) - truth)[hidden].mean())
    assert error < 0.25 * truth[hidden].std()


def test_explicit_targets_of_a_new_user_start_at_mean_and_bias():
    truth, _ = explicit_world()
    rows = [[Interaction(v, weight=float(r)) for v, r in enumerate(row)] for row in truth]
    model = BiasedMf(BiasedMf.Config(target="explicit", factors=2)).fit(
        Histories.from_rows(rows), toy_catalogue()
    )
    best = truth.mean(axis=0).argmax()
    disliked = Histories.from_rows([[Interaction(0, weight=float(truth[:, 0].mean()))]])
    assert model.score(disliked)[0, best] > np.median(model.score(disliked)[0])
