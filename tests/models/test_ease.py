import logging

import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.ease import Ease, EaseConfig
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import toy_catalogue, toy_histories


class TestEase(RecommenderContract):
    recommender = Ease
    asks_by_vector = True
    settings = {"regularization": 5.0}


def test_weights_are_those_of_the_closed_form():
    histories = toy_histories(toy_catalogue())
    model = Ease(EaseConfig(regularization=3.0)).fit(histories, toy_catalogue())
    watched = (histories.matrix(40).toarray() > 0).astype(float)
    precision = np.linalg.inv(watched.T @ watched + 3.0 * np.eye(40))
    expected = -precision / np.diag(precision)
    np.fill_diagonal(expected, 0)
    expected[:, watched.sum(axis=0) == 0] = 0
    expected[watched.sum(axis=0) == 0] = 0
    np.testing.assert_allclose(model._neighbours.similarity.toarray(), expected, atol=1e-5)


def test_each_video_is_the_least_squares_answer_to_all_others():
    # Steck's objective: column j minimises |x_j - X b|² + λ|b|² with b_j = 0.
    histories = toy_histories(toy_catalogue())
    model = Ease(EaseConfig(regularization=2.0)).fit(histories, toy_catalogue())
    watched = (histories.matrix(40).toarray() > 0).astype(float)
    found = model._neighbours.similarity.toarray()[:, 4]
    others = np.delete(watched, 4, axis=1)
    best = np.linalg.solve(others.T @ others + 2.0 * np.eye(39), others.T @ watched[:, 4])
    np.testing.assert_allclose(np.delete(found, 4), best, atol=1e-5)


def test_a_large_catalogue_is_cut_to_the_most_watched(caplog):
    histories = toy_histories(toy_catalogue())
    with caplog.at_level(logging.WARNING):
        model = Ease(EaseConfig(max_videos=10)).fit(histories, toy_catalogue())
    assert "10 of 39 watched videos take part (max_videos)" in caplog.text
    taking_part = np.flatnonzero(np.diff(model._neighbours.similarity.indptr))
    counts = np.bincount(histories.videos, minlength=40)
    assert len(taking_part) == 10
    assert counts[taking_part].min() >= np.delete(counts, taking_part).max()


@pytest.mark.parametrize("rows", [
    [[Interaction(0, weight=-1.0), Interaction(1, weight=-1.0)]] * 3,
    [[]],
])  # fmt: skip
def test_where_nobody_liked_anything_all_keep_the_prior(rows, tmp_path):
    histories = Histories.from_rows(rows)
    model = Ease(EaseConfig()).fit(histories, toy_catalogue())
    expected = np.argsort(-model.prior, kind="stable")
    for scores in model.score(histories):
        np.testing.assert_array_equal(np.argsort(-scores, kind="stable"), expected)
    model.save(tmp_path)
    again = Ease.load(tmp_path, toy_catalogue())
    np.testing.assert_array_equal(again.score(histories), model.score(histories))


def test_who_only_dislikes_gets_less_of_what_goes_with_it():
    rows = [[Interaction(0), Interaction(1)]] * 6 + [[Interaction(2), Interaction(3)]] * 6
    rows += [[Interaction(0, weight=-1.0)]]
    model = Ease(EaseConfig(regularization=1.0)).fit(Histories.from_rows(rows), toy_catalogue())
    scores = model.score(Histories.from_rows(rows[-1:]))[0]
    assert scores[1] < scores[2]
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("top_n", [1, 5])
def test_only_the_strongest_weights_are_kept(top_n):
    histories = toy_histories(toy_catalogue())
    full = Ease(EaseConfig()).fit(histories, toy_catalogue())._neighbours.similarity.toarray()
    kept = Ease(EaseConfig(top_n=top_n)).fit(histories, toy_catalogue())._neighbours.similarity
    for video in (0, 9, 31):
        row = kept[video].toarray().ravel()
        assert np.count_nonzero(row) == top_n
        assert np.abs(row[row != 0]).min() >= np.sort(np.abs(full[video]))[-top_n] - 1e-7


def test_the_explanation_names_the_watched_video_with_the_largest_weight():
    rows = [[Interaction(0), Interaction(1)]] * 6 + [[Interaction(2), Interaction(3)]] * 6
    model = Ease(EaseConfig(regularization=1.0)).fit(Histories.from_rows(rows), toy_catalogue())
    history = Histories.from_rows([[Interaction(0), Interaction(2)]])
    assert model.explain(history, np.array([1, 3])) == [0, 2]
