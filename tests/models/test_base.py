import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.errors import ConfigError, DataError
from kinoloop.models.base import RECOMMENDERS, build


@pytest.fixture
def catalogue():
    ids = ["a", "b", "c"]
    return Catalogue(IdMap(ids), np.zeros(3, dtype=np.int64), pl.DataFrame({"video_id": ids}))


@pytest.mark.parametrize(
    ("settings", "seed", "message"),
    [
        ({"kind": "eas"}, 0, "no recommender is called 'eas'; did you mean ease"),
        ({}, 0, "no recommender is called ''; there are biased_mf"),
        ({"kind": 7}, 0, "no recommender is called '7'"),
        ({"kind": ["ease"]}, 0, "no recommender is called"),
        ({"kind": "ease", "regularisation": 1}, 0, "did you mean regularization"),
        ({"kind": "ease", "regularization": "much"}, 0, "recommender 'ease': regularization: "),
        ({"kind": "ease", "regularization": -1}, 0, "greater than 0, got -1"),
        ({"kind": "ease"}, -1, "the seed is -1"),
        ({"kind": "ease"}, "x", "the seed is 'x'"),
    ],
)
def test_whatever_is_wrong_is_the_error_that_build_documents(settings, seed, message):
    with pytest.raises(ConfigError, match=message):
        build(settings, seed=seed)


@pytest.mark.parametrize("kind", RECOMMENDERS.names())
def test_an_id_that_was_not_found_is_refused_before_it_picks_a_wrong_video(kind, catalogue):
    unknown = catalogue.ids.index("z")
    histories = Histories.from_rows([[], [Interaction(0), Interaction(unknown)]])
    with pytest.raises(DataError, match="row 1 of the histories holds video -1 at place 1"):
        build({"kind": kind}).fit(histories, catalogue)


def test_histories_of_another_catalogue_are_not_scored(catalogue):
    model = build({"kind": "popularity"}).fit(Histories.from_rows([[Interaction(2)]]), catalogue)
    with pytest.raises(DataError, match="holds video 3 at place 0, expected 0 to 2"):
        model.score(Histories.from_rows([[Interaction(3)]]))


def test_scores_that_are_no_numbers_are_refused_by_name(catalogue, monkeypatch):
    model = build({"kind": "popularity"}).fit(Histories.from_rows([[Interaction(2)]]), catalogue)
    scores = np.array([[0, 1, -np.inf], [0, np.nan, 1]], dtype=np.float32)
    monkeypatch.setattr(type(model), "_score", lambda _self, _histories: scores.copy())
    message = "recommender 'popularity': _score gave NaN for video 'b' in row 1"
    with pytest.raises(DataError, match=message):
        model.score(Histories.from_rows([[Interaction(0)], [Interaction(1)]]))
    one_is_new = Histories.from_rows([[Interaction(0)], []])  # the prior answers for it
    assert not np.isnan(model.score(one_is_new)).any()


def test_the_videos_that_one_speaks_for_are_those_that_it_is_watched_with(catalogue):
    together = [[Interaction(0), Interaction(1)]] * 5 + [[Interaction(2)]]
    model = build({"kind": "item_knn"}).fit(Histories.from_rows(together), catalogue)
    similar = model.similar(0)
    assert similar.shape == (3,)
    assert similar[1] > 0
    assert similar[2] == 0
