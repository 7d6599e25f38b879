from datetime import UTC, datetime

import deltalake
import numpy as np
import polars as pl
import pytest

from kinoloop.data.histories import Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.interest import InterestConfig, load_histories
from kinoloop.data.tables import Tables
from kinoloop.schema import EVENT_KINDS, EVENTS, VIDEOS
from serving.history import live, merged, told
from serving.state import LiveEvent

IDS = IdMap(["a", "b", "c"])
DURATIONS = np.array([10.0, 40.0, np.nan])
VIEW, LIKE = EVENT_KINDS.index("view"), EVENT_KINDS.index("like")


def event(video, kind, timestamp, watch_s=None, value=None, user="p"):
    name = f"{user}-{video}-{kind}-{timestamp}"
    return LiveEvent(name, user, video, kind, watch_s, value, timestamp)


def test_one_interaction_a_video_at_the_time_of_its_first_event():
    events = [event("b", "view", 1), event("a", "view", 2), event("b", "like", 3)]
    first, second = live(events, IDS, DURATIONS, InterestConfig())
    assert (first.video, first.timestamp, first.weight, first.kind) == (1, 1, 2.0, LIKE)
    assert (second.video, second.timestamp, second.kind) == (0, 2, VIEW)


def test_the_last_explicit_word_wins():
    config = InterestConfig()
    changed_mind = [event("a", "like", 1), event("a", "dislike", 2), event("a", "view", 3)]
    assert live(changed_mind, IDS, DURATIONS, config)[0].weight == config.dislike
    forgiven = [event("a", "dislike", 1), event("a", "like", 2)]
    assert live(forgiven, IDS, DURATIONS, config)[0].weight == config.like


def test_impressions_searches_and_unknown_videos_are_no_interactions():
    events = [event("a", "impression", 1), event("b", "search", 2), event("z", "like", 3)]
    assert live(events, IDS, DURATIONS, InterestConfig()) == []


def test_live_events_weigh_as_in_training(tmp_path):
    """The same random events through the service and through the training tables."""
    rng = np.random.default_rng(0)
    events = [
        event(
            str(rng.choice(["a", "b", "c"])),
            str(rng.choice(EVENT_KINDS)),
            1_790_000_000_000_000 + int(rng.integers(10)) * 1_000_000,
            float(np.round(rng.uniform(0, 50), 1)) if rng.random() < 0.6 else None,
            float(rng.integers(1, 6)) if rng.random() < 0.5 else None,
            user=f"p{rng.integers(60):02d}",
        )
        for _ in range(600)
    ]
    expected = load_histories(_tables(tmp_path, events), IDS, InterestConfig())
    assert len(expected) == 60
    for row, user in enumerate(expected.user_ids):
        mine = sorted((e for e in events if e.user == user), key=lambda e: e.timestamp)
        got = live(mine, IDS, DURATIONS, InterestConfig())
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
    assert merged(known, since, 10) == [known[0], known[2], since[0]]


def test_the_newest_count_where_there_are_too_many():
    known = [Interaction(0, 1.0, 10), Interaction(1, 1.0, 20)]
    assert merged(known, [Interaction(2, 1.0, 15)], 2) == [Interaction(2, 1.0, 15), known[1]]
    assert merged(known, [], 1) == [known[1]]


def test_a_told_history_is_oldest_first_and_passes_over_unknown_ids():
    history = told(["b", "gone", "a"], IDS)
    assert [i.video for i in history] == [1, 0]
    assert history[0].timestamp < history[1].timestamp
    assert all(i.weight == pytest.approx(1.0) and i.kind == VIEW for i in history)
