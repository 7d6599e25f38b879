import numpy as np

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.user_knn import UserKnn, UserKnnConfig
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import toy_catalogue


class TestUserKnn(RecommenderContract):
    recommender = UserKnn
    asks_by_vector = True


def clicks(*videos):
    return [Interaction(v, timestamp=t) for t, v in enumerate(videos)]


def fit(rows, **settings):
    model = UserKnn(UserKnnConfig(**settings))
    return model.fit(Histories.from_rows(rows), toy_catalogue())


def test_asks_the_users_who_watched_the_same():
    model = fit([clicks(0, 1), clicks(2, 3), clicks(4, 5)])
    scores = model.score(Histories.from_rows([clicks(0), clicks(2)]))
    assert scores[0].argmax() in {0, 1}
    assert scores[0, 1] > scores[0, 3]
    assert scores[1, 3] > scores[1, 1]


def test_a_rare_video_says_more_than_one_that_all_watched():
    rows = [clicks(0, 1), clicks(0, 2, 3), clicks(0, 4), clicks(0, 5)]
    scores = fit(rows, decay=1.0).score(Histories.from_rows([clicks(0, 2)]))[0]
    assert scores[3] > scores[[1, 4, 5]].max()


def test_the_users_who_were_there_last_are_kept():
    late = [Interaction(2, timestamp=10**15), Interaction(3, timestamp=10**15 + 1)]
    model = fit([clicks(0, 1), late], max_users=1)
    assert model._state()["offsets"].tolist() == [0, 2]
    assert set(model._state()["videos"]) == {2, 3}


def test_the_newest_videos_of_a_user_are_kept():
    model = fit([clicks(0, 1, 2, 3), clicks(4, 5)], max_videos_a_user=2)
    assert set(model._state()["videos"]) == {2, 3, 4, 5}


def test_rows_do_not_change_with_how_they_are_cut(monkeypatch):
    rows = Histories.from_rows([clicks(0), clicks(2, 3), clicks(1)])
    model = fit([clicks(0, 1), clicks(2, 3), clicks(1, 2)])
    whole = model.score(rows)
    monkeypatch.setattr("kinoloop.models.user_knn.CHUNK_CELLS", 1)
    np.testing.assert_allclose(model.score(rows), whole, rtol=1e-6)
