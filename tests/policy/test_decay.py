"""Every further video of one creator is worth less than the one before."""

import numpy as np

from tests.policy.world import catalogue, slate

SCORES = np.array([1.0, 0.9, 0.8, 0.5, 0.3, 0.0], dtype=np.float32)
VIDEOS = catalogue(8, creators="aaaabbcc")
PADDED = np.concatenate([SCORES, [-np.inf, -np.inf]]).astype(np.float32)


def decayed(**decay):
    return slate(VIDEOS, PADDED, decay=decay)


def test_it_counts_what_is_left_of_the_relevance():
    # relevance is the score here: .9 and .8 halve to .45 and .4 after the first of a, so that
    # after .45 the third is worth .8 / 4 = .2, less than .3 of b
    assert decayed(factor=0.5, floor=0) == [0, 1, 4, 2, 3]
    assert decayed(factor=0.5, floor=0.5) == [0, 1, 2, 4, 3]
    assert decayed(factor=1.0) == [0, 1, 2, 3, 4]


def test_another_column_says_who_belongs_together_and_none_belongs_to_nobody():
    assert decayed(factor=0.1, floor=0, column="nothing") == [0, 1, 2, 3, 4]
    videos = catalogue(8, creators=["a", None, None, None, None, "b", "c", "c"])
    assert slate(videos, PADDED, decay={"factor": 0.1, "floor": 0}) == [0, 1, 2, 3, 4]
