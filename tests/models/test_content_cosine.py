import dataclasses

import numpy as np
import polars as pl

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.content_cosine import ContentCosine, ContentCosineConfig
from kinoloop.testing.recommender_contract import RecommenderContract
from kinoloop.testing.toy import BARE_VIDEO, COLD_VIDEO, toy_catalogue, toy_histories


class TestContentCosine(RecommenderContract):
    recommender = ContentCosine


def fit(catalogue=None, **settings):
    catalogue = catalogue or toy_catalogue()
    model = ContentCosine(ContentCosineConfig(**settings))
    return model.fit(toy_histories(toy_catalogue()), catalogue)


def test_a_video_nobody_has_watched_is_recommended_for_its_content():
    scores = fit().score(Histories.from_rows([[Interaction(0), Interaction(2)]]))[0]
    assert scores[COLD_VIDEO] > np.median(scores)


def test_a_video_without_vectors_takes_the_mean():
    model = fit(lexical_weight=0)
    scores = model.score(Histories.from_rows([[Interaction(0)]]))[0]
    assert abs(scores[BARE_VIDEO]) < 1e-3
    assert abs(np.delete(scores, BARE_VIDEO).mean()) < 1e-3


def test_a_history_without_vectors_gives_no_opinion_but_no_error():
    scores = fit(lexical_weight=0).score(Histories.from_rows([[Interaction(BARE_VIDEO)]]))[0]
    np.testing.assert_allclose(scores, 0, atol=1e-3)


def test_words_alone_tie_a_series_together():
    catalogue = toy_catalogue()
    titles = ["#dragonsaga 12" if i in {0, 9} else f"unlike{i}" for i in range(40)]
    videos = catalogue.videos.with_columns(title=pl.Series(titles), tags=pl.lit([]))
    catalogue = dataclasses.replace(catalogue, videos=videos, modalities={})
    scores = fit(catalogue).score(Histories.from_rows([[Interaction(0)]]))[0]
    assert scores.argmax() == 9
    history = Histories.from_rows([[Interaction(3), Interaction(0)]])
    assert fit(catalogue).explain(history, np.array([9])) == [0]


def test_a_catalogue_without_shared_words_or_vectors_falls_to_the_prior():
    catalogue = toy_catalogue()
    titles = pl.Series([f"word{i}" for i in range(40)])
    videos = catalogue.videos.with_columns(title=titles, tags=pl.lit([]))
    model = fit(dataclasses.replace(catalogue, videos=videos, modalities={}))
    scores = model.score(Histories.from_rows([[Interaction(0)]]))[0]
    assert scores.argmax() == model.prior.argmax()


def test_chinese_titles_are_cut_into_characters():
    catalogue = toy_catalogue()
    titles = ["猫咪日常" if i == 0 else "可爱猫咪" if i == 9 else f"x{i}" for i in range(40)]
    videos = catalogue.videos.with_columns(title=pl.Series(titles), tags=pl.lit([]))
    model = fit(dataclasses.replace(catalogue, videos=videos, modalities={}))
    assert model.score(Histories.from_rows([[Interaction(0)]]))[0].argmax() == 9
