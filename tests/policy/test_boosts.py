"""Some videos are worth more for some time."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from kinoloop.policy.boosts import Boost
from tests.policy.world import NOW, catalogue, falling, slate

VIDEOS = catalogue(20, creators="ab" * 10)
AT = datetime.fromtimestamp(NOW / 1e6, UTC)


def boosted(*boosts, **given):
    return slate(VIDEOS, falling(20), boosts=[*boosts], **given)


def test_it_adds_standard_deviations_of_the_candidates_scores():
    b = {"where": {"creator_id": "b"}}
    assert boosted({**b, "by": 10}) == [1, 3, 5, 7, 9]
    assert boosted({**b, "by": -10}) == [0, 2, 4, 6, 8]
    step = 1 / 19 / falling(20).std()  # between neighbours
    assert boosted({**b, "by": 1.5 * step}) == [1, 0, 3, 2, 5]
    assert boosted({**b, "by": 0.5 * step}) == [0, 1, 2, 3, 4]
    assert boosted({**b, "by": 10}, {**b, "by": -10}) == [0, 1, 2, 3, 4]


def test_it_holds_from_its_start_to_its_end_for_what_fits_its_conditions():
    long = {"where": {"duration_s": {"min": 31}}, "by": 10}
    assert boosted(long) == boosted({**long, "where": {"nothing": 1}}) == [0, 1, 2, 3, 4]
    b = {"where": {"creator_id": {"not": "a"}}, "by": 10}
    day = timedelta(days=1)
    assert boosted({**b, "starts": AT - day, "ends": AT + day})[0] == 1
    assert boosted({**b, "starts": AT + day})[0] == boosted({**b, "ends": AT})[0] == 0


@pytest.mark.parametrize(
    ("where", "fault"),
    [({"age": {"min": "soon"}}, "a range of column 'age' ends at"), ({"age": {"near": 3}}, "near")],
)
def test_conditions_that_say_nothing_are_refused_when_settings_are_read(where, fault):
    with pytest.raises(ValidationError, match=fault):
        Boost(where=where, by=1)
