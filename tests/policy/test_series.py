"""The next episode, and neither one that was seen nor one that comes later."""

from hypothesis import given
from hypothesis import strategies as st

from tests.policy.world import catalogue, falling, slate

EXTRA = [
    *({"show": "x", "episode": n} for n in (3, 1, 2, 10)),
    *({"show": "y", "episode": str(n)} for n in (1, 2)),
    *({"show": "z"} for _ in range(2)),
    *({} for _ in range(4)),
]
VIDEOS = catalogue(12, extra=EXTRA)
SERIES = {"column": "show"}


def episodes(met=(), history=(), series=SERIES):
    found = slate(VIDEOS, falling(12), top_k=12, met=met, history=history, series=series)
    return [video for video in found if video not in met]


def test_who_saw_nothing_begins_with_the_first_episode_by_number_or_by_publication():
    assert episodes() == [1, 4, 6, 8, 9, 10, 11]


def test_the_next_one_comes_after_the_latest_that_was_met():
    assert episodes(met=[1]) == [2, 4, 6, 8, 9, 10, 11]
    assert episodes(met=[0]) == [3, 4, 6, 8, 9, 10, 11]  # whoever saw the third is past the second
    assert episodes(met=[0], history=[(1, 1.0)]) == [3, 4, 6, 8, 9, 10, 11]
    assert episodes(met=[3, 5, 6]) == [7, 8, 9, 10, 11]  # x and y have no more


def test_without_the_column_all_may_come():
    assert len(episodes(series={"column": "nothing"})) == len(episodes(series={})) == 12


@given(st.sets(st.integers(0, 11)))
def test_of_each_series_comes_one_at_most_and_it_was_not_seen(met):
    found = episodes(met=sorted(met))
    shows = [EXTRA[video]["show"] for video in found if EXTRA[video]]
    assert len(shows) == len(set(shows))
    assert not met & set(found)
