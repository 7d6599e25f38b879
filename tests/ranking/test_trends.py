import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kinoloop.ranking.counts import DailyCounts
from kinoloop.ranking.trends import LEAST_A_DAY, Trends
from kinoloop.schema import DAY_US

FIRST = 20_000  # days since the epoch


def counted(events):
    """Count likes from (video, day)."""
    videos = np.array([video for video, _ in events])
    moments = np.array([(FIRST + day) * DAY_US + 7 for _, day in events])
    liked = np.ones(len(events), dtype=np.bool_)
    return DailyCounts.of(videos, moments, shown=liked, liked=liked)


def at(day):
    return np.array([(FIRST + day) * DAY_US + 5])


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=60),
    st.integers(0, 3),
    st.integers(0, 40),
)
def test_likes_fade_by_the_half_life_and_the_day_itself_does_not_count(events, video, day):
    trends = Trends(counted(events), (1.0, 5.0))
    newest = max(when for _, when in events) + 1
    asked = int(np.clip(day, min(when for _, when in events), newest))
    ages = [asked - 1 - when for name, when in events if name == video and when < asked]
    expected = [sum(0.5 ** (age / half) for age in ages) for half in (1.0, 5.0)]
    np.testing.assert_allclose(trends.before(np.array([video]), at(asked))[0], expected)


def test_a_video_that_rises_is_told_from_one_that_falls_and_from_one_unknown():
    rising, falling, even, unknown = range(4)
    events = [(rising, day) for day in (8, 9, 9, 9, 9)] + [(falling, day) for day in (1, 1, 1, 1)]
    events += [(even, day) for day in range(10)]
    found = Trends(counted(events), (1.0, 4.0)).of(np.arange(4), np.repeat(at(10), 4))
    rise = found["rise_1d_4d"]
    assert rise[rising] > rise[even] > rise[unknown] == 0 > rise[falling]
    assert abs(rise[even]) < 0.5
    assert found["likes_1d"][unknown] == 0
    assert found["likes_1d"][rising] > found["likes_1d"][even] > found["likes_1d"][falling]
    assert LEAST_A_DAY > 0


def test_a_thousand_days_neither_overflow_nor_vanish_into_nan():
    trends = Trends(counted([(0, day) for day in range(3000)]), (0.25, 14.0))
    found = trends.before(np.array([0, 0]), np.concatenate([at(2999), at(5)]))
    np.testing.assert_allclose(found[0], 1 / (1 - 0.5 ** (1 / np.array([0.25, 14.0]))))
    assert np.isfinite(found).all()


def test_nothing_counted_has_no_trend():
    nothing = np.empty(0, dtype=np.int64)
    counts = DailyCounts.of(nothing, nothing, shown=nothing > 0, liked=nothing > 0)
    assert Trends(counts, (1.0,)).before(np.array([0]), at(3)).tolist() == [[0.0]]
