import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.item_knn import ItemKnn, ItemKnnConfig
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import toy_catalogue


class TestItemKnn(RecommenderContract):
    recommender = ItemKnn
    asks_by_vector = True


def clicks(*videos):
    return [Interaction(v, timestamp=t) for t, v in enumerate(videos)]


@pytest.fixture
def fitted():
    # 0 and 1 share two users of (2, 3); 2 and 3 share one of (1, 2).
    rows = [clicks(0, 1), clicks(0, 1), clicks(1, 3), clicks(2, 3)]
    return ItemKnn(ItemKnnConfig(decay=0.5, shrinkage=0)).fit(
        Histories.from_rows(rows), toy_catalogue()
    )


def test_score_is_the_cosine_over_users(fitted):
    scores = fitted.score(Histories.from_rows([clicks(0)]))[0]
    assert scores[1] == pytest.approx(2 / np.sqrt(2 * 3), abs=1e-3)
    assert scores[3] == pytest.approx(0, abs=1e-3)


def test_an_older_click_counts_less_by_the_decay(fitted):
    scores = fitted.score(Histories.from_rows([clicks(0, 2)]))[0]
    assert scores[1] == pytest.approx(0.5 * 2 / np.sqrt(6), abs=1e-3)
    assert scores[3] == pytest.approx(1 / np.sqrt(2), abs=1e-3)


def test_a_dislike_pushes_its_neighbours_down(fitted):
    scores = fitted.score(Histories.from_rows([[Interaction(0, weight=-1.0)]]))[0]
    assert scores[1] < 0


def test_the_explanation_names_the_nearest_watched_video(fitted):
    slate = np.array([1, 3, 9])
    assert fitted.explain(Histories.from_rows([clicks(0, 2)]), slate)[:2] == [0, 2]
    assert fitted.explain(Histories.from_rows([clicks(0)]), slate)[2] is None


def test_one_row_scores_as_in_a_batch(fitted):
    rows = [clicks(0, 2, 5), clicks(1), []]
    batch = fitted.score(Histories.from_rows(rows))
    for row, expected in zip(rows, batch, strict=True):
        single = fitted.score(Histories.from_rows([row]))[0]
        np.testing.assert_allclose(single, expected, rtol=1e-5)
