import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinoloop.ranking.counts import PRIOR_SHOWS, DailyCounts
from kinoloop.schema import DAY_US

rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 6), st.booleans(), st.booleans()),
    min_size=1, max_size=40,
)  # fmt: skip


def made(table, start=20_000):
    videos, days, shown, liked = (np.array(column) for column in zip(*table, strict=True))
    moments = (days + start) * DAY_US + 5
    return videos, moments, shown.astype(bool), liked.astype(bool)


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(0, 3), st.integers(-1, 9))
def test_only_earlier_days_count(table, video, day):
    videos, moments, shown, liked = made(table)
    counts = DailyCounts.of(videos, moments, shown=shown, liked=liked)
    asked = (20_000 + day) * DAY_US
    before = (videos == video) & (moments // DAY_US < asked // DAY_US)
    found = counts.before(np.array([video]), np.array([asked]))[0]
    expected = [(before & shown).sum(), (before & shown & liked).sum(), (before & liked).sum()]
    assert found.tolist() == expected


def test_everything_counts_at_the_newest_moment():
    videos, moments, shown, liked = made([(0, 0, True, True), (0, 5, True, False)])
    counts = DailyCounts.of(videos, moments, shown=shown, liked=liked)
    assert counts.before(np.array([0]), np.array([counts.newest]))[0].tolist() == [2, 1, 1]


def test_a_rate_starts_at_the_mean_and_moves_with_shows():
    table = [(0, 0, True, True)] * 30 + [(1, 0, True, False)] * 30
    videos, moments, shown, liked = made(table)
    counts = DailyCounts.of(videos, moments, shown=shown, liked=liked)
    later = np.full(3, counts.newest)
    rates = counts.smoothed(counts.before(np.array([0, 1, 2]), later))
    assert rates[2] == 0.5
    assert rates[0] == pytest.approx((30 + 0.5 * PRIOR_SHOWS) / (30 + PRIOR_SHOWS))
    assert rates[1] == pytest.approx(1 - rates[0])


def test_saved_and_restored_counts_are_equal():
    videos, moments, shown, liked = made([(0, 0, True, True), (2, 5, False, True)])
    counts = DailyCounts.of(videos, moments, shown=shown, liked=liked)
    again = DailyCounts.from_state(counts.state())
    asked = np.arange(3), np.full(3, counts.newest)
    np.testing.assert_array_equal(again.before(*asked), counts.before(*asked))
