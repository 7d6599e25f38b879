"""Nobody sees what is for older people."""

import polars as pl
import pytest

from kinoloop.data.situations import situation_of
from kinoloop.policy.config import PolicyConfig
from kinoloop.policy.filters import VideoFilters

COLUMNS = VideoFilters(
    pl.DataFrame({"extra": ['{"fsk": 0}', '{"fsk": "12"}', '{"fsk": 18}', None]})
)


def seen(said=None, **config):
    policy = PolicyConfig(age_rating={"column": "fsk", **config})
    allowed = policy.allowed(situation_of(context=said))
    assert list(allowed) == ["age_rating"]
    return sorted({0, 1, 2, 3} - set(COLUMNS.outside_of_all([*allowed.values()]).tolist()))


@pytest.mark.parametrize(
    ("said", "config", "videos"),
    [
        ({"age": 12}, {}, [0, 1, 3]),
        ({"age": 11.9}, {}, [0, 3]),
        ({"age": "40"}, {}, [0, 1, 2, 3]),
        (None, {}, [0, 3]),
        ({"age": "old"}, {}, [0, 3]),
        (None, {"default": 18}, [0, 1, 2, 3]),
        ({"age": 30}, {"unrated": False}, [0, 1, 2]),
        ({"age": 30, "viewer": 12}, {"context": "viewer"}, [0, 1, 3]),
    ],
)
def test_a_video_is_seen_from_its_age_on(said, config, videos):
    assert seen(said, **config) == videos


def test_it_is_off_by_default_and_a_column_that_no_video_has_rates_none():
    assert PolicyConfig().allowed({}) == {}
    assert seen(column="nothing") == [0, 1, 2, 3]
    assert seen(column="nothing", unrated=False) == []
