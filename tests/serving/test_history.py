from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NamedTuple

import deltalake
import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import NO_INTERACTION, InterestConfig
from kinoloop.data.rating_scale import found_in
from kinoloop.data.tables import Tables
from kinoloop.schema import EVENT_KINDS, EVENTS, VIDEOS
from serving.history import live, merged, past_of, past_of_videos
from serving.live_event import LiveEvent, Parcel
from serving.refusals import Refusals
from serving.sayings import live_id

IDS = IdMap(["a", "b", "c"])
DURATIONS = np.array([10.0, 40.0, np.nan])
VIEW, LIKE = EVENT_KINDS.index("view"), EVENT_KINDS.index("like")


def event(video, kind, timestamp, watch_s=None, value=None, user="p"):
    name = f"{user}-{video}-{kind}-{timestamp}"
    return LiveEvent(name, user, video, kind, watch_s, value, timestamp)


def test_one_interaction_a_video_at_the_time_of_its_first_event():
    events = [event("b", "view", 1), event("a", "view", 2), event("b", "like", 3)]
    first, second = merged([], live(events, IDS, DURATIONS, InterestConfig()), user="p", ids=IDS)
    assert (first.video, first.timestamp, first.weight, first.kind) == (1, 1, 2.0, LIKE)
    assert (second.video, second.timestamp, second.kind) == (0, 2, VIEW)


def test_the_last_explicit_word_wins():
    config = InterestConfig()
    changed_mind = [event("a", "like", 1), event("a", "dislike", 2), event("a", "view", 3)]
    assert live(changed_mind, IDS, DURATIONS, config)[0].weight == config.dislike
    forgiven = [event("a", "dislike", 1), event("a", "like", 2)]
    assert live(forgiven, IDS, DURATIONS, config)[0].weight == config.like


def test_unknown_videos_are_no_interactions():
    assert live([event("z", "like", 3)], IDS, DURATIONS, InterestConfig()) == []


@pytest.mark.parametrize("stars", [5, 10])
def test_live_events_weigh_as_in_training(tmp_path, stars):
    """The same random events through the service and through the training tables."""
    rng = np.random.default_rng(0)
    events = [
        event(
            str(rng.choice(["a", "b", "c"])),
            str(rng.choice(EVENT_KINDS)),
            1_790_000_000_000_000 + int(rng.integers(10)) * 1_000_000,
            float(np.round(rng.uniform(0, 50), 1)) if rng.random() < 0.6 else None,
            float(rng.integers(1, stars + 1)) if rng.random() < 0.5 else None,
            user=f"p{rng.integers(60):02d}",
        )
        for _ in range(600)
    ]
    tables = _tables(tmp_path, events)
    expected = load_histories(tables, IDS, InterestConfig())
    on_scale = InterestConfig().on_scale(found_in(tables.scan("events")))
    assert len(expected) == 60
    for row, user in enumerate(expected.user_ids):
        mine = [e for e in events if e.user == user and e.event not in NO_INTERACTION]
        got = merged([], live(mine, IDS, DURATIONS, on_scale), user=user, ids=IDS)
        part = expected.row(row)
        assert [i.video for i in got] == expected.videos[part].tolist()
        assert [i.timestamp for i in got] == expected.timestamps[part].tolist()
        assert [i.kind for i in got] == expected.kinds[part].tolist()
        np.testing.assert_allclose([i.weight for i in got], expected.weights[part], rtol=1e-6)
        np.testing.assert_allclose(
            [i.watch_share for i in got], expected.watch_shares[part], rtol=1e-6
        )


def _tables(folder, events) -> Tables:
    tables = Tables(folder)
    videos = pl.DataFrame(
        {"video_id": ["a", "b", "c"], "duration_s": [10.0, 40.0, None]},
    )
    rows = pl.DataFrame(
        [
            {
                "event_id": e.event_id + str(n),
                "user_id": e.user,
                "video_id": e.video_id,
                "event": e.event,
                "watch_s": e.watch_s,
                "value": e.value,
                "timestamp": datetime.fromtimestamp(e.timestamp / 1e6, UTC),
                "date": datetime.fromtimestamp(e.timestamp / 1e6, UTC).date(),
            }
            for n, e in enumerate(events)
        ],
        schema_overrides={
            "watch_s": pl.Float64,
            "value": pl.Float64,
            "timestamp": EVENTS["timestamp"],
        },
        infer_schema_length=None,
    )
    for name, frame, schema in (("videos", videos, VIDEOS), ("events", rows, EVENTS)):
        missing = [
            pl.lit(None, dtype=t).alias(c) for c, t in schema.items() if c not in frame.columns
        ]
        whole = frame.with_columns(missing).select(*schema)
        deltalake.write_deltalake(str(tables.path(name)), whole.to_arrow())
    return tables


def test_of_a_video_that_both_know_the_live_state_wins():
    known = [Interaction(0, 1.0, 10), Interaction(1, 1.0, 20), Interaction(2, 1.0, 30)]
    since = [Interaction(1, -2.0, 40)]
    assert merged(known, since, user="p", ids=IDS) == [known[0], known[2], since[0]]


MANY = IdMap([f"v{n:04d}" for n in range(1200)])


REFUSALS = Refusals(
    Catalogue(
        MANY,
        np.zeros(len(MANY), dtype=np.int64),
        pl.DataFrame(
            {
                "video_id": MANY.ids,
                "creator_id": ["Cara" if n < 3 else None for n in range(len(MANY))],
                "category": ["war" if n == 5 else None for n in range(len(MANY))],
                "labels": [
                    [{"facet": "topic", "label": "War", "score": 0.9, "evidence": ""}] * (n == 7)
                    for n in range(len(MANY))
                ],
            }
        ),
        {},
    )
)


class Stored(NamedTuple):
    """The part of a release that histories come from."""

    catalogue: Any
    history: list[Interaction]
    seen: list[int]
    info: Any = SimpleNamespace(rating_liked_from=None)

    def history_of(self, user):
        return self.history if user == "p" else []

    def seen_by(self, user):
        return np.array(self.seen if user == "p" else [], dtype=np.int32)


def ask(state, *, history=(), seen=(), user="p", limit=200):
    release = Stored(SimpleNamespace(ids=MANY), list(history), list(seen))
    current = SimpleNamespace(
        release=release, durations=np.full(len(MANY), np.nan), refusals=REFUSALS
    )
    return past_of(user, current, state, InterestConfig(), limit=limit)


def record(state, events):
    state.record(events, [Parcel("raw")] * len(events))


@pytest.mark.parametrize("shown", ["impression", "search"])
def test_what_was_shown_does_not_push_out_what_was_watched(state, shown):
    watched = [event(f"v{n:04d}", "view", n) for n in range(3)]
    record(state, watched + [event(f"v{n:04d}", shown, 100 + n) for n in range(220)])
    past = ask(state)
    assert [one.video for one in past.history] == [0, 1, 2]
    assert sorted(past.seen) == [0, 1, 2]


def test_many_events_of_one_video_do_not_push_out_others(state):
    rewatched = [event("v0001", "view", 100 + n) for n in range(300)]
    record(state, [event("v0000", "like", 1), *rewatched])
    assert [one.video for one in ask(state).history] == [0, 1]


@pytest.mark.parametrize("n", [199, 200, 201, 1200])
def test_the_window_is_bounded_and_the_seen_mask_is_complete(state, n):
    record(state, [event(f"v{i:04d}", "view", i) for i in range(n)])
    past = ask(state)
    assert [one.video for one in past.history] == list(range(n))[-200:]
    assert sorted(set(past.seen.tolist())) == list(range(n))


def test_seen_is_what_is_stored_and_what_is_live(state):
    record(state, [event("v0007", "view", 50), event("gone", "view", 60)])
    stored = [Interaction(3, 1.0, 10), Interaction(4, 1.0, 20)]
    past = ask(state, history=stored, seen=[1, 2, 3, 4], limit=2)
    assert [one.video for one in past.history] == [4, 7]
    assert sorted(past.seen) == [1, 2, 3, 4, 7]
    alone = ask(state, history=stored, seen=[1, 2, 3, 4], user="q")
    assert (alone.history, len(alone.seen)) == ([], 0)


def test_events_of_one_moment_are_in_the_order_of_training(tmp_path, state):
    tied = [event(v, "view", 1_790_000_000_000_000, user=u) for u in ("p", "q") for v in "abc"]
    expected = load_histories(_tables(tmp_path, tied), IDS, InterestConfig())
    for row, user in enumerate(expected.user_ids):
        mine = [e for e in tied if e.user == user]
        got = merged([], live(mine, IDS, DURATIONS, InterestConfig()), user=user, ids=IDS)
        assert [one.video for one in got] == expected.videos[expected.row(row)].tolist()


def test_a_history_in_a_request_is_oldest_first_and_passes_over_unknown_ids():
    history, seen, _ = past_of_videos(["b", "gone", "a"], IDS)
    assert seen.tolist() == [1, 0]
    assert [i.video for i in history] == [1, 0]
    assert history[0].timestamp < history[1].timestamp
    assert all(i.weight == pytest.approx(1.0) and i.kind == VIEW for i in history)


def say(state, kind, at, video="", *, user="p", person=None, **about):
    named = Parcel("raw", person_id=person, **about)
    state.record([event(video, kind, at, user=user)], [named], {person: person} if person else {})


def test_what_is_undone_does_not_count_and_may_come_again(state):
    record(state, [event("v0001", "view", 1), event("v0002", "view", 2), event("v0002", "like", 3)])
    say(state, "undo", 10, "v0001", undoes="view")
    say(state, "undo", 11, "v0002", undoes="like")
    past = ask(state)
    assert [(one.video, one.kind) for one in past.history] == [(2, VIEW)]
    assert past.seen.tolist() == [2]
    record(state, [event("v0001", "view", 20)])
    assert sorted(ask(state).seen) == [1, 2]


def test_an_undo_by_the_id_of_an_event_takes_back_that_one(state):
    view = event("v0001", "view", 1)._replace(event_id=live_id("mine", 1))
    record(state, [view, event("v0002", "view", 2)])
    say(state, "undo", 10, undoes="mine")
    assert [one.video for one in ask(state).history] == [2]
    say(state, "undo", 11, user="other", undoes=event("v0002", "view", 2).event_id)
    assert [one.video for one in ask(state).history] == [2]


def test_what_the_release_stores_can_be_undone_too(state):
    stored = [Interaction(3, 2.0, 1, LIKE, 0.5), Interaction(4, 1.0, 2, VIEW, 1.0)]
    say(state, "undo", 10, "v0003", undoes="like")
    say(state, "undo", 11, "v0004", undoes="view")
    past = ask(state, history=stored, seen=[3, 4])
    assert past.history == [Interaction(3, 0.75, 1, VIEW, 0.5)]
    assert past.seen.tolist() == [3]


def test_an_undo_holds_for_a_user_with_more_events_than_are_read(state):
    record(state, [event(f"v{i:04d}", "view", i) for i in range(300)])
    say(state, "undo", 1000, "v0005", undoes="view")
    say(state, "undo", 1000, "v0299", undoes="view")
    past = ask(state)
    assert [one.video for one in past.history] == list(range(99, 299))
    assert set(range(300)) - set(past.seen.tolist()) == {5, 299}


def test_not_interested_hides_a_video_a_creator_and_a_label_until_it_is_undone(state):
    say(state, "not_interested", 1, "v0009")
    past = ask(state)
    assert past.seen.tolist() == [9]
    assert past.history[0].weight == InterestConfig().dislike
    say(state, "not_interested", 2, creator_id="cara")
    say(state, "not_interested", 3, label="war")
    say(state, "not_interested", 4, label="Topic:War")
    assert set(ask(state).blocked.tolist()) == {0, 1, 2, 5, 7, 9}
    say(state, "undo", 5, creator_id="cara", undoes="not_interested")
    say(state, "undo", 6, label="war", undoes="not_interested")
    assert set(ask(state).blocked.tolist()) == {7, 9}
    state.forget_before(10**18)
    record(state, [])
    assert set(ask(state).blocked.tolist()) == {7, 9}
    say(state, "undo", 7, "v0009", undoes="not_interested")
    assert ask(state).blocked.tolist() == [7]


def test_a_reported_video_stays_away_until_that_is_undone_and_its_creator_does_not(state):
    say(state, "report", 1, "v0009", creator_id="cara", label="war")
    assert ask(state).blocked.tolist() == [9]
    assert ask(state).history[0].weight == InterestConfig().dislike
    state.forget_before(10**18)
    record(state, [])
    assert ask(state).blocked.tolist() == [9]
    say(state, "undo", 7, "v0009", undoes="report")
    assert not len(ask(state).blocked)


def test_linked_ids_share_one_history(state):
    record(state, [event("v0001", "view", 1, user="tv"), event("v0002", "view", 2, user="p")])
    assert [one.video for one in ask(state, user="tv").history] == [1]
    say(state, "identify", 3, user="tv", person="p")
    for user in ("p", "tv"):
        past = ask(state, history=[Interaction(7, 1.0, 0)], seen=[7], user=user)
        assert [one.video for one in past.history] == [7, 1, 2]
        assert sorted(past.seen) == [1, 2, 7]
    assert state.ids_of("tv") == state.ids_of("p") == ["p", "tv"]
    say(state, "identify", 4, user="p", person="tv")
    assert state.ids_of("tv") == ["p", "tv"]
    state.forget_user("tv")
    assert state.ids_of("p") == ["p"]
