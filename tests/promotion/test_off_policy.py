"""What a log says of policies that never served is what they would really have brought."""

from datetime import UTC, datetime

import numpy as np
import pytest

from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.errors import ConfigError, DataError
from kinoloop.evaluation.off_policy import Interval
from kinoloop.evaluation.replay import NOTHING, slates_of
from kinoloop.models.base import build
from kinoloop.policy.config import PolicyConfig
from kinoloop.promotion.off_policy import LoggedConfig, LoggedWindow
from kinoloop.promotion.replayed import replayed
from kinoloop.ranking.config import RankerConfig
from kinoloop.release.bundle import write_bundle
from kinoloop.release.release import Release
from kinoloop.training.model_selection import RetrainConfig, load_training_data
from tests.flows.toy_tables import write_toy_tables
from tests.promotion.logged_world import PLACES, number, pleases, write_logged_tables

RETRAIN = RetrainConfig(validation_days=3, test_days=4, min_interactions=10, min_users=2)
LIKES = LoggedConfig(reward="like", answers=10_000)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logged")
    write_logged_tables(folder)
    return Tables(folder)


@pytest.fixture(scope="module")
def data(tables):
    return load_training_data(tables, RETRAIN, InterestConfig())


@pytest.fixture(scope="module")
def window(tables, data):
    return LoggedWindow.read(tables, data, LIKES, RankerConfig())


@pytest.fixture(scope="module")
def recommender(data):
    return build({"kind": "content_cosine"}).fit(data.split.train, data.catalogue)


@pytest.fixture(scope="module")
def release(data, recommender, tmp_path_factory):
    folder = tmp_path_factory.mktemp("release") / "bundle"
    train = data.split.train
    write_bundle(folder, recommender=recommender, catalogue=data.catalogue, histories=train)
    return Release.open(folder)


def truth(window: LoggedWindow, slates: np.ndarray) -> float:
    """Likes per answer that slates would really bring."""
    logged = window.logged.select(window.asked)
    users = np.array([number(logged.exposures.user_ids[user]) for user in logged.users])
    users, places = users[:, None], np.arange(PLACES)
    there = slates != NOTHING
    return float((pleases(users, slates, places) * there).sum() / len(slates))


def near(found: Interval, worth: float) -> bool:
    """Within four standard errors; how often intervals cover the truth, a benchmark measures."""
    return abs(found.value - worth) < found.high - found.low


def test_a_recommender_is_worth_what_its_slates_would_bring(window, recommender):
    found = window.of_recommender(recommender)
    logged = window.logged.select(window.asked)
    slates = slates_of(
        recommender, logged, window.histories, closed=lambda _: np.empty(0, dtype=np.intp)
    )
    worth = truth(window, slates)
    for name in ("ips", "snips", "dr"):
        assert near(found.values[name], worth)
    assert found.support.whole
    assert found.gain.low > 0  # it knows tastes, and what was shown was random
    assert worth > found.logged.value


def test_a_release_is_asked_as_it_would_serve(window, release, recommender):
    plain = window.of_release(release, PolicyConfig())
    assert plain == window.of_recommender(recommender)
    logged, ids = window.logged.select(window.asked[:40]), window.data.catalogue.ids
    pinned = PolicyConfig(pins=[{"video_id": ids.ids[5], "place": 2, "surface": "home"}])
    histories = window.histories.rows(slice(0, 40))
    slates = replayed(release, logged, histories, pinned, ids=ids)
    met = [5 in histories.videos[histories.row(row)] for row in range(40)]
    assert np.array_equal(slates[:, 1] == 5, ~np.array(met))
    for row in range(40):
        assert not set(slates[row]) & set(histories.videos[histories.row(row)].tolist())


def test_nothing_left_to_chance_is_worth_what_random_orders_bring(window):
    found = window.without_chance()
    mean = (0.7 + 0.1) / 2 * (1 / (1 + 0.25 * np.arange(PLACES))).sum()
    for name in ("ips", "snips", "dr"):
        assert near(found.values[name], mean)
    assert found.support.whole
    ((name, (answers, brought)),) = window.as_it_was().items()
    assert name == "explore:1:40:softmax:30"
    assert answers == len(window.logged)
    assert brought.value == pytest.approx(window.rewards.sum() / answers)


def test_only_answers_of_the_window_count_and_none_that_somebody_learned_from(tables, data, window):
    start = int(data.split.test.targets.timestamps.min())
    assert window.logged.moments.min() >= start
    middle = np.sort(window.logged.moments)[len(window.logged) // 2]
    since = datetime.fromtimestamp(middle / 1e6, UTC)
    later = LoggedWindow.read(tables, data, LIKES, RankerConfig(), since=since)
    assert later.logged.moments.min() > middle
    assert len(later.logged) < len(window.logged)
    other = LoggedConfig(window="validation", reward="like")
    before = LoggedWindow.read(tables, data, other, RankerConfig())
    assert before.logged.moments.max() < start


def test_every_policy_is_asked_about_so_many_answers_at_most(tables, data):
    few = LoggedWindow.read(tables, data, LoggedConfig(answers=50), RankerConfig())
    assert len(few.asked) == len(few.histories) == 50
    assert len(few.logged) > 50


def test_an_unknown_reward_is_named_with_those_there_are(tables, data):
    with pytest.raises(ConfigError, match="the reward is 'joy'; there are wanted, value, view"):
        LoggedWindow.read(tables, data, LoggedConfig(reward="joy"), RankerConfig())


def test_a_log_without_chances_is_said(data, tmp_path):
    write_toy_tables(tmp_path)
    with pytest.raises(DataError, match="the test window has 0 answers with known chances"):
        LoggedWindow.read(Tables(tmp_path), data, LIKES, RankerConfig())
