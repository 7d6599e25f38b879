"""Places for new videos."""

import numpy as np

from kinoloop.testing.toy import HOUR_US, START_US
from tests.policy.world import catalogue, falling, slate

VIDEOS = catalogue(40)  # one an hour
MOMENT = START_US + 39 * HOUR_US + 1
SCORES = falling(40)


def fresh(top_k=10, scores=SCORES, **config):
    config = {"places": 1, "days": 4 / 24, **config}  # the last four are new
    return slate(VIDEOS, scores, top_k=top_k, moment=MOMENT, candidates=12, fresh=config)


def test_one_of_ten_places_is_kept_in_the_middle_for_the_best_new_video():
    assert fresh() == [0, 1, 2, 3, 4, 36, 5, 6, 7, 8]
    assert fresh(20)[15] == 37
    assert fresh(places=2) == [0, 1, 2, 36, 3, 4, 37, 5, 6, 7]
    assert fresh(places=0) == list(range(10))


def test_a_new_video_that_is_there_by_itself_takes_the_place():
    scores = SCORES.copy()
    scores[38] = 5
    assert fresh(scores=scores) == [38, *range(9)]


def test_without_new_videos_nothing_is_kept():
    scores = SCORES.copy()
    scores[36:] = -np.inf
    assert fresh(scores=scores) == list(range(10))
    assert fresh(3) == [0, 1, 2]


def test_what_is_published_later_is_not_new_yet():
    early = START_US + 20 * HOUR_US
    config = {"places": 1, "days": 4 / 24}
    found = slate(VIDEOS, SCORES, top_k=10, moment=early, candidates=12, fresh=config)
    assert found[5] == 17


def test_a_limit_holds_at_a_kept_place_too():
    videos = catalogue(40, creators=["a"] * 5 + [f"c{n}" for n in range(31)] + ["a"] * 4)
    limits = [{"column": "creator_id", "most": 1}]
    config = {"places": 1, "days": 4 / 24}
    found = slate(videos, SCORES, top_k=10, moment=MOMENT, fresh=config, limits=limits)
    assert not {36, 37, 38, 39} & set(found)
