"""The frame: fixed order, no repeats, no shorter slate, untouched videos in their order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.top_k import best
from kinoloop.policy.config import PolicyConfig, RulesConfig
from kinoloop.policy.head import Context
from kinoloop.policy.policy import Best
from kinoloop.policy.ruling import Ruling
from kinoloop.policy.trace import Trace
from tests.policy.world import NOW, catalogue, falling, policy, slate

EXTRA = [{"show": n % 5, "episode": n} if n % 3 else {} for n in range(40)]
VIDEOS = catalogue(40, creators="aabbbccdef" * 4, extra=EXTRA)
HISTORY = [(20, 1.0), (23, 2.0)]
RULES = st.fixed_dictionaries(
    {},
    optional={
        "candidates": st.sampled_from([1, 8, 100]),
        "boosts": st.just([{"where": {"creator_id": ["b", "c"]}, "by": 1.0}]),
        "pins": st.just([{"video_id": "v030", "place": 2}, {"video_id": "v031", "place": 5}]),
        "limits": st.just([{"column": "creator_id", "most": 2}]),
        "decay": st.just({"factor": 0.5}),
        "calibration": st.just({"weight": 0.5}),
        "mmr": st.just({"weight": 0.5}),
        "dpp": st.just({"weight": 0.5}),
        "fresh": st.just({"places": 2, "days": 364.5}),
    },
)


@settings(deadline=None)
@given(RULES, st.integers(1, 45), st.sets(st.integers(0, 39), max_size=40), st.integers(0, 999))
def test_any_rules_together_repeat_nothing_show_nothing_hidden_and_shorten_nothing(
    rules, top_k, hidden, seed
):
    scores = np.random.default_rng(seed).permutation(falling(40))
    scores[list(hidden)] = -np.inf
    found = slate(VIDEOS, scores, top_k=top_k, history=HISTORY, **rules)
    assert len(found) == len(set(found)) == min(top_k, 40 - len(hidden))
    assert not hidden & set(found)
    assert found == slate(VIDEOS, scores, top_k=top_k, history=HISTORY, **rules)


@given(st.integers(1, 45), st.integers(0, 999))
def test_without_a_rule_the_slate_is_the_best(top_k, seed):
    scores = np.random.default_rng(seed).permutation(falling(40))
    assert slate(VIDEOS, scores, top_k=top_k) == best(scores, top_k).tolist()


@settings(deadline=None)
@given(RULES, st.sets(st.integers(0, 39), min_size=1, max_size=12), st.integers(0, 999))
def test_a_slate_that_goes_on_repeats_nothing_and_counts_what_was_taken(rules, taken, seed):
    scores = np.random.default_rng(seed).permutation(falling(40))
    scores[list(taken)] = -np.inf
    made = policy(VIDEOS, **rules)
    row = Histories.from_rows([[Interaction(*event) for event in HISTORY]])
    context = Context(NOW, 5, row, before=len(taken))
    top = best(scores, made.candidates(5))
    found = made.arrange(Best(top, scores[top]), scores, context, taken=np.array(sorted(taken)))
    videos = found.videos[:5].tolist()
    assert len(videos) == 5
    assert not taken & set(found.videos.tolist())
    if "limits" in rules and "pins" not in rules and found.allowed == 5:
        creators = ["aabbbccdef"[video % 10] for video in [*taken, *videos]]
        new = {"aabbbccdef"[video % 10] for video in videos}
        assert max(creators.count(one) for one in new) <= 2


def test_scores_go_on_downwards_below_what_the_ranker_has_seen():
    scores = falling(40)
    ranked = np.array([2, 0, 1]), np.array([0.9, 0.5, 0.1], dtype=np.float32)
    context = Context(NOW, 6, Histories.from_rows([[]]))
    found = policy(VIDEOS, candidates=8).arrange(Best(*ranked), scores, context)
    assert found.videos[:6].tolist() == [2, 0, 1, 3, 4, 5]
    assert found.scores[:3].tolist() == ranked[1].tolist()
    assert (np.diff(found.scores[2:]) <= 0).all()
    assert (np.diff(found.scores[3:]) < 0).all()


def test_rules_alone_say_whether_any_is_on():
    assert PolicyConfig(fatigue=3, explore=0.5).rules is None
    for on in (
        {"mmr": {"weight": 0.1}},
        {"dpp": {"weight": 0.1}},
        {"calibration": {"weight": 0.1}},
        {"decay": {"factor": 0.9}},
        {"fresh": {"places": 1}},
        {"series": {"column": "show"}},
        {"limits": [{"column": "x", "most": 1}]},
        {"pins": [{"video_id": "v1"}]},
        {"boosts": [{"where": {"x": 1}, "by": 1}]},
    ):
        rules = PolicyConfig(fatigue=3, **on).rules
        assert rules == RulesConfig(**on)
        again = RulesConfig.model_validate(rules.model_dump(mode="json", exclude_defaults=True))
        assert again == rules


def explained(scores, *, hidden=(), why=None, closed=(), ranked=None, top_k=4, **rules):
    trace = Trace(why or {})
    ruling = Ruling(policy(VIDEOS, **rules), trace=trace)
    closed = np.array(closed, dtype=np.intp)
    row = Histories.from_rows([[]])
    left = ruling.begin(row, scores, closed=closed, moment=NOW, top_k=top_k)
    scores = scores.copy()
    scores[[*closed, *hidden, *left]] = -np.inf
    top = best(scores, ruling.candidates(top_k)) if ranked is None else np.array(ranked)
    top_scores = scores[top] if ranked is None else np.linspace(1, 0, len(top), dtype=np.float32)
    found = ruling.arrange(Best(top, top_scores), scores)
    ids = VIDEOS.ids
    return trace.told(ids.externals(found.videos.tolist()), ids)


def test_explain_tells_what_moved_each_place_and_why_others_left():
    told = explained(
        falling(40),
        hidden=[1, 2],
        why={"seen": np.array([1])},
        closed=[0],
        limits=[{"column": "creator_id", "most": 1}],
        pins=[{"video_id": "v030", "place": 2}],
    )
    # what is left: 3 4 5 6 7 … of b b c c d …; the second b and the second c go
    assert [(one["video_id"], one["place"], one["was"]) for one in told["places"]] == [
        ("v003", 1, 1), ("v030", 2, 28), ("v005", 3, 3), ("v007", 4, 5),
    ]  # fmt: skip
    assert [one["moved"] for one in told["places"]] == [
        [],
        [{"rule": "pin", "from": 28, "to": 2}],
        [{"rule": "limit", "from": 3, "to": 2}, {"rule": "pin", "from": 2, "to": 3}],
        [{"rule": "limit", "from": 5, "to": 3}, {"rule": "pin", "from": 3, "to": 4}],
    ]
    assert told["left"] == [
        {"video_id": "v001", "place": 1, "rule": "seen"},
        {"video_id": "v002", "place": 2, "rule": "same_content"},
        {"video_id": "v004", "place": 4, "rule": "limit"},
    ]  # of what is closed to everybody nothing is told


def test_explain_tells_of_the_ranker_and_of_rules_that_leave_videos_out():
    told = explained(falling(40), ranked=[5, 0, 9, 3], series={"column": "show"})
    assert told["places"][0]["moved"] == [{"rule": "ranker", "from": 6, "to": 1}]
    assert told["left"] == [
        {"video_id": "v001", "place": 2, "rule": "ranker"},
        {"video_id": "v002", "place": 3, "rule": "ranker"},
    ]
    told = explained(falling(40), top_k=12, series={"column": "show"})
    assert {one["rule"] for one in told["left"]} == {"series"}


def test_rules_of_one_config_are_compiled_once():
    from kinoloop.data.fusion import FusionConfig
    from kinoloop.policy.filters import VideoFilters
    from kinoloop.policy.policy import Policies

    policies = Policies(VIDEOS, VideoFilters(VIDEOS.videos), FusionConfig())
    first = policies.of(RulesConfig(mmr={"weight": 1}))
    assert policies.of(RulesConfig(mmr={"weight": 1})) is first
    assert policies.of(RulesConfig(mmr={"weight": 2})) is not first


@pytest.mark.parametrize("top_k", [1, 40])
def test_nothing_to_show_is_an_empty_slate(top_k):
    nothing = np.full(40, -np.inf, dtype=np.float32)
    rules = {"pins": [{"video_id": "v030"}], "mmr": {"weight": 1}, "fresh": {"places": 1}}
    assert slate(VIDEOS, nothing, top_k=top_k, **rules) == []


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, {0: "", 1: "", 2: "", 3: ""}),
        ({"limits": [{"column": "creator_id", "most": 1}]}, {0: "", 2: "limit", 5: "limit"}),
        ({"pins": [{"video_id": "v030", "place": 2}]}, {0: "", 30: "pin", 1: "", 2: ""}),
        ({"boosts": [{"where": {"creator_id": "d"}, "by": 9}]}, {7: "boost", 17: "boost"}),
        ({"decay": {"factor": 0.01}}, {0: "", 2: "decay", 5: "decay"}),
    ],
)
def test_each_place_names_the_rules_that_put_it_before_better_ones(rules, expected):
    scores = falling(40)
    made = policy(VIDEOS, **rules)
    top = best(scores, made.candidates(4))
    context = Context(NOW, 4, Histories.from_rows([[]]))
    found = made.arrange(Best(top, scores[top]), scores, context)
    said = dict(zip(found.videos.tolist(), found.moved, strict=True))
    assert {video: said[video] for video in expected} == expected


@settings(deadline=None)
@given(RULES, st.integers(1, 45), st.integers(0, 999))
def test_what_passes_nobody_was_moved_by_nobody(rules, top_k, seed):
    scores = np.random.default_rng(seed).permutation(falling(40))
    made = policy(VIDEOS, **rules)
    top = best(scores, made.candidates(top_k))
    context = Context(NOW, top_k, Histories.from_rows([[Interaction(*one) for one in HISTORY]]))
    found = made.arrange(Best(top, scores[top]), scores, context)
    names = {"boost", "decay", "calibration", "mmr", "dpp", "fresh", "limit", "pin"}
    shown = found.videos.tolist()
    assert len(found.moved) == len(shown)
    for place, (video, moved) in enumerate(zip(shown, found.moved, strict=True)):
        assert {*moved.split(",")} - {""} <= names
        later = [one for one in range(40) if one not in shown[:place]]
        held = {shown[at] for at, why in enumerate(found.moved) if why == "pin"}
        passed = [one for one in later if scores[one] > scores[video] and one not in held]
        if moved != "pin":
            assert bool(moved) == bool(passed)
