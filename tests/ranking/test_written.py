from dataclasses import replace

import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.written import Written, Wrote
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.ranking.pairs import candidate_pairs, exposed_pairs
from kinoloop.ranking.written import WITHIN_US, written_features
from kinoloop.schema import DAY_US, EVENT_KINDS
from tests.ranking.conftest import SMALL, TEST_FROM, VALIDATION_FROM
from tests.ranking.searching import SEARCH, searching

COMMENT = EVENT_KINDS.index("comment")


@pytest.fixture(scope="module")
def text(catalogue):
    return catalogue.modalities["text"]


@pytest.fixture(scope="module")
def topics(text):
    return np.stack([text.vectors[0], text.vectors[1]])


def asked(*wrote, video=0, moment=TEST_FROM, space):
    history = Histories.from_rows([[Interaction(9, timestamp=1)]])
    history = replace(history, written=Written.from_rows([list(wrote)], space))
    return candidate_pairs(history, np.array([[video]]), length=4, moments=np.array([moment]))


def features(pairs, text):
    return {
        name: float(column[0])
        for name, column in written_features(
            pairs.wrote, pairs.contexts, pairs.videos, text
        ).items()
    }


def test_what_was_searched_is_compared_with_the_words_of_the_video(text, topics):
    wrote = Wrote(SEARCH, TEST_FROM - DAY_US, topics[0])
    found = features(asked(wrote, video=2, space=text.fingerprint), text)
    cosine = float(topics[0] @ text.vectors[2])
    assert found["search_mean"] == pytest.approx(cosine, abs=1e-6)
    assert found["search_now"] == pytest.approx(cosine / 2, abs=1e-6)  # a day is half a life
    assert found["search_fresh"] == pytest.approx(0.5)
    assert found["comment_mean"] == found["comment_now"] == found["comment_fresh"] == 0


def test_newer_texts_count_more_and_kinds_are_kept_apart(text, topics):
    wrote = [
        Wrote(SEARCH, TEST_FROM - 3, topics[1]),
        Wrote(COMMENT, TEST_FROM - 2, topics[0]),
        Wrote(SEARCH, TEST_FROM - 1, topics[0]),
    ]
    found = features(asked(*wrote, video=2, space=text.fingerprint), text)
    near, far = (float(topic @ text.vectors[2]) for topic in topics)
    assert found["search_mean"] == pytest.approx((2 * near + far) / 3, abs=1e-6)
    assert found["comment_mean"] == pytest.approx(near, abs=1e-6)


def test_nothing_is_compared_across_spaces_or_written_at_the_moment_or_later(text, topics):
    now = Wrote(SEARCH, TEST_FROM, topics[0])
    assert not any(features(asked(now, space=text.fingerprint), text).values())
    before = Wrote(SEARCH, TEST_FROM - 1, topics[0])
    assert not any(features(asked(before, space="another"), text).values())
    assert not any(features(asked(before, space=text.fingerprint), None).values())


def test_a_video_that_a_search_found_is_not_explained_by_that_search(catalogue, text, topics):
    exposures, histories = searching(catalogue, topics, text.fingerprint)
    found_by = replace(exposures, facts=({"surface": "feed"}, {"surface": "search"}))
    pairs = exposed_pairs(found_by, histories, length=4)
    fresh = (pairs.wrote.texts >= 0) & (pairs.wrote.ages < WITHIN_US)
    searched = found_by.situations == 1
    assert fresh[~searched].any()
    assert not fresh[searched].any()
    assert (pairs.wrote.texts[searched] >= 0).any()  # what was searched earlier is known


def test_the_ranker_learns_what_a_search_says(catalogue, text, topics):
    exposures, histories = searching(catalogue, topics, text.fingerprint)
    config = RankerConfig(**{**SMALL, "groups": ("written", "video"), "epochs": 4})
    auc = {}
    for name, known in (("with", histories), ("without", replace(histories, written=None))):
        data = RankerData(exposures, known, VALIDATION_FROM, TEST_FROM)
        fitted = fit_ranker(config, data, catalogue, seed=1)
        auc[name] = fitted.metrics["test/auc"]
    assert auc["with"] > 0.9
    assert auc["without"] < 0.6
