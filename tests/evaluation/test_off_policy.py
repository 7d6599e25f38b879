"""Off-policy estimates: against the Open Bandit Pipeline, against truth, and what they admit."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinoloop.errors import DataError
from kinoloop.evaluation.off_policy import BLOCKS, Places, estimate
from kinoloop.evaluation.reward_model import FOLDS, PRIOR, RewardModel

K, VIDEOS = 3, 8


def test_estimates_are_those_of_the_open_bandit_pipeline():
    """`benchmarks/peers/obp_estimates.py` made the numbers, with obp 0.4.1."""
    known = json.loads(Path(__file__).with_name("obp_estimates.json").read_text())
    said = known.pop("estimates")
    columns = {name: np.array(values) for name, values in known.items()}
    users = np.arange(columns["answers"].max() + 1)
    found = estimate(Places(users=users, **columns), resamples=2).values
    for name in ("ips", "snips", "dr", "dm"):
        assert found[name].value == pytest.approx(said[name], rel=1e-12)
    assert found["ips"].value == pytest.approx(said["iips"], rel=1e-12)


def logs(seed: int, n: int = 3000) -> tuple[Places, float]:
    """Draw answers of n / 3 users; the other policy likes the good videos more. With the truth."""
    rng = np.random.default_rng(seed)
    good = np.linspace(0.1, 0.8, VIDEOS)
    by_place = 1 / (1 + 0.5 * np.arange(K))
    chances = np.linspace(2, 1, VIDEOS) / np.linspace(2, 1, VIDEOS).sum()
    wanted = good**3 / (good**3).sum()
    shown = rng.choice(VIDEOS, p=chances, size=(n, K))
    eager = rng.uniform(0.6, 1.4, n // 3)
    users = rng.integers(0, n // 3, n)
    rewards = rng.random((n, K)) < np.minimum(good[shown] * by_place * eager[users, None], 1)
    truth = float((wanted @ good) * by_place.sum())
    guess = good * 0.8 + 0.05  # a model that is wrong
    places = np.tile(np.arange(K), n)
    return Places(
        np.repeat(np.arange(n), K), users, places, rewards.ravel().astype(float),
        chances[shown].ravel(), wanted[shown].ravel(),
        (guess[shown] * by_place).ravel(), (wanted @ guess) * by_place[places],
    ), truth  # fmt: skip


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    n, covered = 60, dict.fromkeys(("ips", "snips", "dr", "weight"), 0)
    for seed in range(n):
        shown, truth = logs(seed)
        found = estimate(shown, seed=seed, resamples=200)
        for name in ("ips", "snips", "dr"):
            covered[name] += found.values[name].low <= truth <= found.values[name].high
        covered["weight"] += found.support.whole
    # 95 % of 60 are 57, with a deviation of 1.7
    assert all(times >= 51 for times in covered.values()), covered


def test_a_model_of_the_reward_takes_noise_away_and_normalising_does_too():
    shown, _ = logs(0)
    found = estimate(shown).values
    width = {name: value.high - value.low for name, value in found.items()}
    assert width["dr"] < width["ips"]
    assert width["snips"] < width["ips"]


def test_what_was_never_tried_shows_in_the_mean_weight():
    shown, _ = logs(1)
    best = shown.targets == shown.targets.max()
    half = estimate(replace(shown, targets=np.where(best, 0, shown.targets)))
    whole = estimate(shown)
    assert whole.support.whole
    assert not half.support.whole
    assert half.support.mean_weight.high < 1
    assert half.support.matched == int((~best).sum())


def test_the_own_policy_is_worth_what_it_brought():
    shown, _ = logs(2, n=300)
    own = replace(shown, targets=shown.propensities)
    found = estimate(own, resamples=50)
    assert found.support.effective == pytest.approx(len(shown.rewards))
    assert found.values["ips"] == found.values["snips"] == found.logged
    assert found.logged.value == pytest.approx(shown.rewards.sum() / 300)


def test_clipping_is_told_and_lowers_what_heavy_weights_say():
    shown, _ = logs(3)
    free, cut = estimate(shown), estimate(shown, clip=1.0)
    assert free.support.clipped == 0
    raw = shown.targets / shown.propensities
    assert cut.support.clipped == pytest.approx(1 - np.minimum(raw, 1).sum() / raw.sum())
    assert cut.support.largest == free.support.largest == raw.max()
    assert cut.values["ips"].value < free.values["ips"].value


def test_gain_is_of_the_same_users_so_that_it_is_surer_than_its_parts():
    shown, _ = logs(4)
    found = estimate(shown)
    assert found.gain.value == pytest.approx(found.values["dr"].value - found.logged.value)
    apart = np.hypot(
        found.values["dr"].high - found.values["dr"].low, found.logged.high - found.logged.low
    )
    assert found.gain.high - found.gain.low < apart


def test_more_users_than_blocks_are_drawn_in_blocks():
    shown, _ = logs(5, n=3 * 2 * BLOCKS)
    assert shown.users.max() >= BLOCKS
    found = estimate(shown, resamples=20)
    assert found.values["dr"].low < found.values["dr"].value < found.values["dr"].high


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.5, float("nan")])
def test_what_is_no_propensity_is_refused(wrong):
    shown, _ = logs(0, n=30)
    broken = shown.propensities.copy()
    broken[7] = wrong
    with pytest.raises(
        DataError, match=r"place 7: the propensity is .*, expected a chance above 0"
    ):
        estimate(replace(shown, propensities=broken))


def test_nothing_shown_is_said():
    none = np.empty(0)
    with pytest.raises(DataError, match="at least one place that was shown, got none"):
        estimate(Places(*[none.astype(int)] * 3, *[none] * 5))


def test_the_model_of_the_reward_is_fitted_on_other_users_alone():
    rng = np.random.default_rng(0)
    n = 500
    users, videos = rng.integers(0, 50, n), rng.integers(0, 4, n)
    places, rewards = rng.integers(0, K, n), rng.random(n)
    mine = users % FOLDS == 2
    model = RewardModel.fit(rewards, places, videos, users, n_videos=4)
    changed = np.where(mine, 100.0, rewards)
    again = RewardModel.fit(changed, places, videos, users, n_videos=4)
    asked = (places[mine], videos[mine], users[mine])
    assert np.array_equal(model.predict(*asked), again.predict(*asked))
    assert not np.allclose(
        model.predict(places, videos, users), again.predict(places, videos, users)
    )


def test_the_model_of_the_reward_is_a_ridge_regression_by_video():
    users = np.array([1, 1, 1, 1])
    rewards, videos = np.array([1.0, 0, 1, 0]), np.array([0, 1, 0, 1])
    model = RewardModel.fit(rewards, np.zeros(4, int), videos, users, n_videos=3)
    theta = 2 * 0.5 * 0.5 / (2 * 0.25 + PRIOR * 0.25)
    asked = np.array([0, 1, 2, -1])
    found = model.predict(np.zeros(4, int), asked, np.zeros(4, int))
    assert found == pytest.approx([0.5 * (1 + theta), 0.5 * (1 - theta), 0.5, 0.5])
    further = model.predict(np.array([9]), np.array([2]), np.array([0]))
    assert further == pytest.approx([0.5])
    alone = model.predict(np.zeros(1, int), np.array([0]), np.array([1]))  # no other users
    assert alone == pytest.approx([0.0])
