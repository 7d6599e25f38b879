"""What a place brought."""

import numpy as np
import pytest

from kinoloop.errors import ConfigError
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.rewards import rewards
from kinoloop.schema import EVENT_KINDS
from kinoloop.testing.shown import toy_exposures
from kinoloop.testing.toy import toy_catalogue

CONFIG = RankerConfig(
    label={"watch": "share"}, value={"watch": 0.5, "like": 2, "dislike": -1, "report": -10}
)


def shown(*rows: tuple[str, ...]):
    """Exposures of the first video, twenty of its thirty seconds watched, with what happened."""
    found = toy_exposures(toy_catalogue())[0].select(np.arange(len(rows)))
    bits = [sum(1 << EVENT_KINDS.index(kind) for kind in row) for row in rows]
    found.kinds[:] = bits
    found.videos[:], found.watch_s[:] = 0, 20
    return found


ROWS = (("view", "like"), ("view",), ("dislike",), ("report", "view"), ())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("like", [1, 0, 0, 0, 0]),
        ("view", [1, 1, 0, 1, 0]),
        ("wanted", [1, 1, 0, 0, 0]),
        ("value", [2.5, 0.5, -1, -9.5, 0]),
    ],
)
def test_a_reward_is_what_its_name_says(name, expected):
    assert rewards(shown(*ROWS), np.full(40, 30.0), name, CONFIG).tolist() == expected


def test_the_length_of_an_unknown_video_is_unknown():
    one = shown(("view",))
    one.videos[:] = -1
    lengths = np.full(40, 1000.0)  # of the last video, which is not meant
    assert rewards(one, lengths, "wanted", CONFIG).tolist() == [1]


def test_what_was_no_answer_to_a_place_is_no_reward():
    with pytest.raises(
        ConfigError, match="the reward is 'impression'; there are wanted, value, view"
    ):
        rewards(shown(("view",)), np.full(40, 30.0), "impression", CONFIG)
