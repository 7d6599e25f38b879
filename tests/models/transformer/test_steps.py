import numpy as np
import pytest

from kinoloop.models.transformer.steps import uniform


def test_ids_are_dropped_evenly_and_alike_for_all_who_know_the_salt():
    videos = np.arange(10_000)
    share = uniform(videos, 7)
    assert (share < 0.2).mean() == pytest.approx(0.2, abs=0.02)
    np.testing.assert_array_equal(uniform(videos[::-1], 7), share[::-1])
    assert abs(np.corrcoef(share, uniform(videos, 8))[0, 1]) < 0.05
