"""What is left to chance comes as often as its propensity says."""

import time
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2

from kinoloop.models.base import build
from kinoloop.policy.config import PolicyConfig
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.release.bundle import write_bundle
from kinoloop.release.release import Release
from kinoloop.release.slate import Recommendation, Slate
from kinoloop.schema import DAY_US
from kinoloop.testing.shown import toy_exposures
from kinoloop.testing.toy import START_US, toy_catalogue
from serving.exploring import BEST_FIRST, NO_CHANCE, Draw, chance_of, explored
from serving.fatigue import NONE
from serving.slates import Asked, slate_of

CONFIG = RankerConfig(
    groups=("content", "user"), epochs=1, hidden=4, candidates=10, label={"watch": "view"}
)
RANKED = [f"v{n}" for n in range(12)]
TOP_K, SHARE, AMONG = 4, 0.4, 5


def slate(videos, *, more: bool = False) -> Slate:
    found = Slate(Recommendation(video, 1.0, video, "") for video in videos)
    found.more = more
    return found


def others(shown, top_k) -> Slate:
    return slate([video for video in RANKED if video not in shown][:top_k])


def draw(seed: int, share: float = SHARE, temperature: float = 0.0, held=()) -> Slate:
    best = slate(RANKED[:TOP_K], more=True)
    return explored(best, Draw(share, AMONG, seed, temperature), others, held=held)


@pytest.mark.parametrize(
    ("temperature", "held"), [(0.0, ()), (3.0, ()), (3.0, (1,)), (100.0, (0, 1, 2))]
)
def test_places_show_what_they_show_as_often_as_their_propensity_says(temperature, held):
    seen: Counter[tuple[int, str]] = Counter()
    said: dict[tuple[int, str], float] = {}
    n = 20_000
    for seed in range(n):
        found = draw(seed, temperature=temperature, held=held)
        assert len({place.video_id for place in found}) == TOP_K
        for at, (place, propensity) in enumerate(zip(found, found.propensities, strict=True)):
            seen[at, place.video_id] += 1
            chance = said.setdefault((at, place.video_id), propensity)
            assert chance == pytest.approx(propensity, rel=1e-12)
    free = [at for at in range(TOP_K) if at not in held]
    drawn = [*(RANKED[at] for at in free if temperature), *RANKED[TOP_K : TOP_K + AMONG]]
    possible = {(at, v) for at in free for v in (RANKED[at], *drawn)}
    assert set(seen) == possible | {(at, RANKED[at]) for at in held}
    assert all(said[at, RANKED[at]] == 1 for at in held)
    for at in free:
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
    whole = slate(RANKED)
    for share in (0.0, 0.5, 1.0):
        found = explored(whole, Draw(share, AMONG, 0), others)
        assert found is whole
        assert found.propensities == [1.0] * len(RANKED)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A release whose ranker orders the best ten of forty, or as many as are asked for."""
    catalogue, folder = toy_catalogue(), tmp_path_factory.mktemp("ranked") / "bundle"
    exposures, histories = toy_exposures(catalogue)
    windows = RankerData(exposures, histories, START_US + 18 * DAY_US, START_US + 24 * DAY_US)
    write_bundle(
        folder,
        recommender=build({"kind": "popularity"}).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
        ranker=fit_ranker(CONFIG, windows, catalogue).ranker,
    )
    return Release.open(folder)


def ask(release, top_k: int, **changes) -> Slate:
    asked = Asked([], NONE, NONE, [], top_k, START_US + 30 * DAY_US)
    return slate_of(release, asked._replace(**changes))


def test_all_that_is_asked_for_one_answer_shares_its_budget(release, monkeypatch):
    clock, heard, score = [0.0], [], release.recommender.score

    def takes_40_ms(row):
        clock[0] += 0.04
        return score(row)

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(release.recommender, "score", takes_40_ms)
    monkeypatch.setattr(release.reranking, "_expected_ms", 10.0)
    monkeypatch.setattr(release.reranking, "observe", heard.append)
    cool = np.arange(38)
    for changes in ({"draw": Draw(1.0, 3, 5)}, {"cooling": cool}):
        asked = Asked([], NONE, NONE, [], 5, START_US + 30 * DAY_US)._replace(**changes)
        assert slate_of(release, asked, budget_ms=200).reranked is True
        assert slate_of(release, asked, budget_ms=60).reranked is False
        assert heard == ["taken", "taken", "taken", "skipped"]
        heard.clear()


def ids(slate: Slate) -> list[str]:
    return [place.video_id for place in slate]


@pytest.mark.parametrize("top_k", [1, 4, 9, 10, 11, 20, 39, 40])
def test_exploration_changes_nothing_but_the_place_that_is_drawn(release, top_k):
    best = ask(release, top_k)
    for seed in range(3):
        same = ask(release, top_k, draw=Draw(0.0, 3, seed))
        assert (same, same.propensities) == (best, best.propensities)
        found = ask(release, top_k, draw=Draw(1.0, 3, seed))
        moved = [at for at in range(top_k) if found[at] != best[at]]
        assert len(moved) == (top_k < 40)
        for at in moved:
            assert found[at].video_id not in ids(best)
            assert found.propensities[at] == 1 / (top_k * min(3, 40 - top_k))
        if not moved:
            assert found.propensities == [1.0] * 40


@pytest.mark.parametrize(("top_k", "cool"), [(12, []), (4, range(3, 33)), (4, range(4, 40))])
def test_real_slates_show_what_they_show_as_often_as_their_propensity_says(release, top_k, cool):
    """With more places than the ranker has candidates, and where much or nearly all cools down."""
    cooling, n = np.array([*cool], dtype=np.int32), 400
    best = ask(release, top_k, cooling=cooling)
    seen: Counter[tuple[int, str]] = Counter()
    said: dict[tuple[int, str], float] = {}
    for seed in range(n):
        found = ask(release, top_k, cooling=cooling, draw=Draw(0.6, 3, seed))
        for at, (video, propensity) in enumerate(zip(ids(found), found.propensities, strict=True)):
            seen[at, video] += 1
            assert said.setdefault((at, video), propensity) == propensity
    for at, video in enumerate(ids(best)):
        assert said[at, video] == pytest.approx(1 - 0.6 / top_k)
        assert sum(said[cell] for cell in seen if cell[0] == at) == pytest.approx(1)
    cells = [(at, video) for at, video in seen if video != best[at].video_id]
    drawn = {video for _, video in cells}
    assert len(drawn) == 3
    only_cooled_left = 40 - len(cool) == top_k
    assert all((int(video[1:]) in cool) == only_cooled_left for video in drawn)
    observed, chances = [seen[cell] for cell in cells], [said[cell] for cell in cells]
    expected = n * np.array([*chances, 1 - sum(chances)])
    distance = ((np.array([*observed, n - sum(observed)]) - expected) ** 2 / expected).sum()
    assert distance < chi2.ppf(0.999, len(cells))


def test_settings_say_who_explores_and_an_experiment_has_two_arms():
    assert chance_of(PolicyConfig(), lambda: "p") is NO_CHANCE
    everybody = chance_of(PolicyConfig(explore=0.1), lambda: "p")
    assert (everybody.policy, everybody.arm) == ("explore:0.1:50", None)
    soft = PolicyConfig(explore=0.1, explore_by="softmax", explore_temperature=5)
    assert chance_of(soft, lambda: "p").policy == "explore:0.1:50:softmax:5"
    assert chance_of(soft, lambda: "p").draw.temperature == 5
    half = PolicyConfig(explore=0.1, explore_users=0.5)
    arms = {f"p{n}": chance_of(half, lambda n=n: f"p{n}") for n in range(400)}
    assert {chance.arm for chance in arms.values()} == {"explore", BEST_FIRST}
    assert 150 < sum(chance.arm == "explore" for chance in arms.values()) < 250
    for person, chance in arms.items():
        assert chance_of(half, lambda person=person: person).arm == chance.arm
        assert (chance.draw is None) == (chance.arm == BEST_FIRST) == (chance.policy == BEST_FIRST)
