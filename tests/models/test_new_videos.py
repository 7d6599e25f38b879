import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.new_videos import SLATE, Places

NEW = np.arange(30) % 5 == 0  # 0, 5, …, 25


def given(scores, number, *, watched=()):
    rows = Histories.from_rows([[Interaction(video) for video in watched]])
    scores = scores[None].astype(np.float32)
    Places(NEW, number).give(scores, rows)
    return scores[0]


def slate(scores, watched=()):
    return [video for video in np.argsort(-scores, kind="stable") if video not in watched][:SLATE]


@pytest.mark.parametrize("shift", [-5.0, 0.0, 5.0])
@pytest.mark.parametrize("number", [1, 3, 9])
def test_new_videos_get_the_lowest_places_whatever_their_score(number, shift):
    scores = np.random.default_rng(0).normal(size=30) + shift * NEW
    places = NEW[slate(given(scores, number))]
    expected = min(number, NEW.sum())
    assert places[: SLATE - number].sum() == 0
    assert places[SLATE - number :].sum() == expected


def test_the_order_among_new_and_the_scores_of_others_stay():
    scores = np.random.default_rng(1).normal(size=30)
    moved = given(scores, 2)
    np.testing.assert_array_equal(np.argsort(moved[NEW]), np.argsort(scores[NEW]))
    np.testing.assert_array_equal(moved[~NEW], scores[~NEW].astype(np.float32))


def test_what_was_watched_counts_for_no_place():
    scores = np.random.default_rng(2).normal(size=30)
    watched = [0, 1, 2]
    scores[watched] = 9
    moved = given(scores, 2, watched=watched)
    assert NEW[slate(moved, watched)].tolist() == [False] * 8 + [True] * 2
    np.testing.assert_array_equal(moved[watched], scores[watched].astype(np.float32))


def test_without_new_videos_or_enough_others_nothing_moves():
    scores = np.random.default_rng(3).normal(size=(1, 30)).astype(np.float32)
    for new in (np.zeros(30, dtype=np.bool_), np.arange(30) >= SLATE):
        moved = scores.copy()
        Places(new, 2).give(moved, Histories.from_rows([[]]))
        np.testing.assert_array_equal(moved, scores)


def test_a_row_in_which_others_are_hidden_stays():
    scores = np.where(NEW, 1.0, -np.inf)
    np.testing.assert_array_equal(given(scores, 2), scores.astype(np.float32))
