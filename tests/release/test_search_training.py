import numpy as np
import pytest

from kinoloop.data.search_log import SearchLog
from kinoloop.release.info import SearchWeights
from kinoloop.release.search import Parts
from kinoloop.release.search_training import learn_weights

VIDEOS, QUERIES = 40, 120


class Found:
    """Answers that were made beforehand."""

    def __init__(self, *, by_meaning=True):
        rng = np.random.default_rng(0)
        self.by_meaning = by_meaning
        self.of = {
            f"query {at}": Parts(*rng.random((3, VIDEOS)).astype(np.float32))
            for at in range(QUERIES)
        }

    def parts(self, query):
        return self.of[query]


def log_of(found, weights):
    """Everybody watches what these weights put first."""
    best = [int(parts.mixed(weights).argmax()) for parts in found.of.values()]
    return SearchLog(tuple(found.of), np.array(best, dtype=np.int32))


def test_weights_that_find_what_was_watched_are_taken_with_their_held_out_figures():
    found = Found()
    learned = learn_weights(found, log_of(found, SearchWeights(semantic=0.0, label=0.0)))
    assert (learned.semantic, learned.label) == (0.0, 0.0)
    assert learned.measured["mrr"] == pytest.approx(1)
    assert learned.measured["mrr"] - learned.measured["mrr_before"] > learned.measured["low"] > 0
    assert learned.measured["pairs"] == pytest.approx(0.4 * QUERIES)


def test_weights_that_win_only_where_they_were_chosen_are_not_taken():
    found = Found()
    older, newer = (log_of(found, SearchWeights(semantic=s, label=0.2)) for s in (0.0, 0.6))
    cut = int(0.6 * QUERIES)
    videos = np.concatenate([older.videos[:cut], newer.videos[cut:]])
    assert learn_weights(found, SearchLog(older.queries, videos)) is None


def test_nothing_is_learned_from_few_pairs_or_without_meaning():
    found, weights = Found(), SearchWeights(semantic=0.0)
    log = log_of(found, weights)
    assert learn_weights(found, SearchLog(log.queries[:49], log.videos[:49])) is None
    assert learn_weights(Found(by_meaning=False), log) is None


def test_a_log_shows_no_query_when_it_is_printed():
    assert "query" not in repr(log_of(Found(), SearchWeights()))
