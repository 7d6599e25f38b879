import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.errors import DataError
from kinoloop.evaluation import ranks
from kinoloop.evaluation.ranks import MISSED, UNKNOWN, rank_targets


def rows(*videos):
    return Histories.from_rows([[Interaction(v) for v in row] for row in videos])


def fixed(*scores):
    return lambda histories: np.tile(np.array(scores, dtype=np.float32), (len(histories), 1))


def test_rank_counts_the_videos_that_score_higher():
    found = rank_targets(fixed(0.1, 0.9, 0.5), rows([]), rows([0, 1, 2]))
    assert found.ranks.tolist() == [3, 1, 2]


def test_seen_videos_do_not_take_a_rank():
    assert rank_targets(fixed(0.1, 0.9, 0.5), rows([1]), rows([2])).ranks.tolist() == [1]


def test_a_tie_counts_against_the_target():
    assert rank_targets(fixed(1, 1, 1, 1), rows([0]), rows([1])).ranks.tolist() == [3]


def test_an_unknown_video_is_missed():
    assert rank_targets(fixed(1, 2), rows([]), rows([UNKNOWN])).ranks.tolist() == [MISSED]


def test_chunks_do_not_change_ranks(monkeypatch):
    rng = np.random.default_rng(0)
    table = rng.standard_normal((7, 5)).astype(np.float32)
    known = rows(*[[v % 5] for v in range(7)])
    wanted = rows(*[[(v + 1) % 5, (v + 2) % 5] for v in range(7)])

    def score(histories):
        return table[histories.videos].copy()

    whole = rank_targets(score, known, wanted).ranks
    monkeypatch.setattr(ranks, "CHUNK_SCORES", 10)
    np.testing.assert_array_equal(rank_targets(score, known, wanted).ranks, whole)


def test_a_score_that_is_not_a_number_is_an_error():
    with pytest.raises(DataError, match="row 0, video 1: the score is not a number"):
        rank_targets(fixed(1, float("nan")), rows([]), rows([0]))
