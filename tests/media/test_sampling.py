import pytest
from pydantic import TypeAdapter, ValidationError

from kinoloop.media.sampling import (
    Interval,
    KeyFrames,
    Nearest,
    Sampling,
    Scenes,
    Thinned,
    Uniform,
    uniform_times,
    wanted_times,
)


def picked(times, wanted):
    nearest = Nearest(wanted)
    things = [(time, object()) for time in times]
    passed = [t for time, thing in things for t in nearest.offer(time, thing)]
    return [time for time, _ in (*passed, *nearest.finish())]


def test_uniform_times_are_the_middles_of_equal_parts():
    assert uniform_times(2, 4.0) == [1.0, 3.0]


def test_interval_looks_once_a_second():
    assert wanted_times(Interval(), 3.0) == [0.5, 1.5, 2.5]


def test_interval_of_a_long_video_spreads_out():
    assert wanted_times(Interval(max_frames=4), 400.0) == [50.0, 150.0, 250.0, 350.0]


def test_interval_longer_than_the_video_looks_once():
    assert wanted_times(Interval(seconds=10.0), 3.0) == [5.0]


def test_picks_the_nearest():
    assert picked([0, 1, 2, 3], [0.4, 1.6, 2.9]) == [0, 2, 3]


def test_picks_nothing_twice():
    assert picked([0.0, 3.0], [0.1, 0.2, 2.9]) == [0.0, 3.0]


def test_last_stands_for_times_after_it():
    assert picked([0.0, 1.0], [0.0, 5.0]) == [0.0, 1.0]


def test_picks_nothing_from_nothing():
    assert picked([], [1.0]) == []


@pytest.mark.parametrize(("seen", "kept"), [(3, [0, 1, 2]), (5, [0, 2, 4]), (20, [0, 8, 16])])
def test_thinning_keeps_every_second_then_every_fourth(seen, kept):
    thinned = Thinned(4)
    for i in range(seen):
        if thinned.wants_next:
            thinned.keep(i)
        else:
            thinned.skip()
    assert thinned.kept == kept


def test_kind_names_the_policy():
    policies = TypeAdapter(Sampling)
    assert policies.validate_python({"kind": "uniform", "frames": 3}) == Uniform(frames=3)
    assert policies.validate_python({"kind": "interval"}) == Interval()
    assert policies.validate_python({"kind": "key_frames"}) == KeyFrames()
    assert policies.validate_python({"kind": "scenes", "threshold": 0.3}) == Scenes(threshold=0.3)
    with pytest.raises(ValidationError, match=r"'uniform', 'interval', 'key_frames', 'scenes'"):
        policies.validate_python({"kind": "random"})
