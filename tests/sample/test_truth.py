import numpy as np
import pytest

from kinoloop.errors import DataError
from kinoloop.sample import SampleConfig, Truth, build_world


@pytest.fixture(scope="module")
def world():
    return build_world(SampleConfig(users=40))


@pytest.fixture(scope="module")
def truth(world):
    return Truth(world)


def test_no_slate_beats_the_oracle(world, truth):
    rng = np.random.default_rng(0)
    at = world.config.at(40)
    for user in world.user_ids:
        out = list(truth.affinity(user, at))
        slate = list(rng.choice(out, size=8, replace=False))
        assert 0 < truth.closeness(user, slate, at) <= 1
        best = truth.oracle_slate(user, at, top_k=8)
        assert sum(truth.affinity(user, at)[v] for v in slate) <= sum(
            truth.affinity(user, at)[v] for v in best
        )
        assert truth.closeness(user, best, at) == pytest.approx(1)


def test_the_oracle_respects_what_is_excluded(world, truth):
    at = world.config.at(40)
    best = truth.oracle_slate("user-0001", at, top_k=5)
    rest = truth.oracle_slate("user-0001", at, top_k=5, exclude=best)
    assert not set(best) & set(rest)
    assert truth.closeness("user-0001", best, at, exclude=best) == 0
    assert truth.closeness("user-0001", rest, at, exclude=best) == pytest.approx(1)


def test_videos_that_are_not_out_or_repeated_count_nothing(world, truth):
    at = world.config.at(1)
    late = world.videos[-1].video_id
    best = truth.oracle_slate("user-0001", at, top_k=1)[0]
    assert late not in truth.affinity("user-0001", at)
    assert truth.closeness("user-0001", [late, late], at) == 0
    assert truth.closeness("user-0001", [best, best], at) < 1


def test_taste_moves_in_the_last_week_for_some_users_only(world, truth):
    before, after = world.config.at(52.9), world.config.at(59)
    moved = [
        truth.oracle_slate(u, before, top_k=1) != truth.oracle_slate(u, after, top_k=1)
        for u in world.user_ids
    ]
    assert 0.1 < np.mean(moved) < 0.9


def test_unknown_user_is_named(world, truth):
    with pytest.raises(DataError, match="no simulated user is called 'nobody'"):
        truth.affinity("nobody", world.config.at(1))


def test_empty_slate_is_refused(world, truth):
    with pytest.raises(DataError, match="an empty slate has no closeness"):
        truth.closeness("user-0001", [], world.config.at(1))
