"""What is left to chance comes as often as its propensity says."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2

from kinoloop.release.slate import Recommendation, Slate
from serving.exploring import BEST_FIRST, NO_CHANCE, Draw, chance_of, explored
from serving.policy import PolicyConfig

RANKED = [f"v{n}" for n in range(12)]
TOP_K, SHARE, AMONG = 4, 0.4, 5


def slate(videos) -> Slate:
    return Slate(Recommendation(video, 1.0, video, "") for video in videos)


def others(shown, top_k) -> Slate:
    return slate([video for video in RANKED if video not in shown][:top_k])


def draw(seed: int, share: float = SHARE) -> Slate:
    return explored(slate(RANKED[: TOP_K + 1]), TOP_K, Draw(share, AMONG, seed), others)


def test_places_show_what_they_show_as_often_as_their_propensity_says():
    seen: Counter[tuple[int, str]] = Counter()
    said: dict[tuple[int, str], float] = {}
    n = 20_000
    for seed in range(n):
        found = draw(seed)
        for at, (place, propensity) in enumerate(zip(found, found.propensities, strict=True)):
            seen[at, place.video_id] += 1
            assert said.setdefault((at, place.video_id), propensity) == propensity
    drawn = RANKED[TOP_K : TOP_K + AMONG]
    assert set(seen) == {(at, v) for at in range(TOP_K) for v in (RANKED[at], *drawn)}
    for at in range(TOP_K):
        cells = [cell for cell in seen if cell[0] == at]
        assert sum(said[cell] for cell in cells) == pytest.approx(1)
        expected = np.array([n * said[cell] for cell in cells])
        observed = np.array([seen[cell] for cell in cells])
        distance = ((observed - expected) ** 2 / expected).sum()
        assert distance < chi2.ppf(0.999, len(cells) - 1)


def test_weights_by_propensity_tell_what_another_policy_would_bring():
    """Clicks of the drawn video v7 alone: always showing it at place 0 brings one per slate."""
    n, value = 20_000, 0.0
    for seed in range(n):
        found = draw(seed)
        value += (found[0].video_id == "v7") / found.propensities[0] / n
    assert value == pytest.approx(1, abs=0.15)  # 400 such slates: a standard error of .05


def test_the_same_seed_draws_the_same_and_the_rest_stays_in_order():
    for seed in range(50):
        found = draw(seed, share=1.0)
        assert found == draw(seed, share=1.0)
        moved = [at for at in range(TOP_K) if found[at].video_id != RANKED[at]]
        assert len(moved) == 1
        assert found.propensities[moved[0]] == 1 / (TOP_K * AMONG)


def test_where_nothing_is_left_out_nothing_is_drawn():
    whole = slate(RANKED[:TOP_K])
    found = explored(whole, TOP_K, Draw(1.0, AMONG, 0), others)
    assert found is whole
    assert found.propensities == [1.0] * TOP_K


def test_settings_say_who_explores_and_an_experiment_has_two_arms():
    assert chance_of(PolicyConfig(), lambda: "p") is NO_CHANCE
    everybody = chance_of(PolicyConfig(explore=0.1), lambda: "p")
    assert (everybody.policy, everybody.arm) == ("explore:0.1:50", None)
    half = PolicyConfig(explore=0.1, explore_users=0.5)
    arms = {f"p{n}": chance_of(half, lambda n=n: f"p{n}") for n in range(400)}
    assert {chance.arm for chance in arms.values()} == {"explore", BEST_FIRST}
    assert 150 < sum(chance.arm == "explore" for chance in arms.values()) < 250
    for person, chance in arms.items():
        assert chance_of(half, lambda person=person: person).arm == chance.arm
        assert (chance.draw is None) == (chance.arm == BEST_FIRST) == (chance.policy == BEST_FIRST)
