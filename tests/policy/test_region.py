"""Where a video may be seen."""

import polars as pl
import pytest

from kinoloop.data.situations import situation_of
from kinoloop.policy.config import PolicyConfig
from kinoloop.policy.filters import VideoFilters

EXTRA = ['{"in": ["DE", "AT"]}', '{"in": "FR"}', '{"not_in": ["FR", "DE"]}', None]
COLUMNS = VideoFilters(pl.DataFrame({"extra": EXTRA}))


@pytest.mark.parametrize(
    ("context", "default", "videos"),
    [
        ({"region": "DE"}, "", [0, 3]),
        ({"region": "FR"}, "", [1, 3]),
        ({"region": "US"}, "", [2, 3]),
        (None, "", [2, 3]),
        (None, "AT", [0, 2, 3]),
    ],
)
def test_a_video_is_seen_where_it_may_be(context, default, videos):
    region = {"column": "in", "blocked": "not_in", "default": default}
    allowed = PolicyConfig(region=region).allowed(situation_of(context=context))
    outside = COLUMNS.outside_of_all([*allowed.values()])
    assert sorted({0, 1, 2, 3} - set(outside.tolist())) == videos
