from datetime import UTC, datetime, timedelta

import deltalake
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinoloop.data.ids import IdMap
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import (
    CODES,
    IN_QUERY,
    INTERACTIONS,
    Events,
    Expressions,
    InterestConfig,
    Weighed,
    combine,
    of_one_user,
    weigh,
)
from kinoloop.data.tables import Tables
from kinoloop.schema import EVENT_KINDS, EVENTS, TIME, VIDEOS

START = datetime(2026, 5, 1, tzinfo=UTC)


def event(user, video, minute, kind, watch_s=None, value=None):
    when = START + timedelta(minutes=minute)
    return {
        "user_id": user,
        "video_id": video,
        "timestamp": when,
        "event": kind,
        "watch_s": watch_s,
        "value": value,
        "event_id": f"{user}{video}{minute}{kind}",
        "date": when.date(),
    }


def full(rows, schema):
    frame = pl.DataFrame(rows, schema_overrides={k: schema[k] for k in rows[0]})
    missing = [pl.lit(None, dtype=t).alias(c) for c, t in schema.items() if c not in frame.columns]
    return frame.with_columns(missing).select(*schema)


@pytest.fixture
def read(tmp_path):
    tables = Tables(tmp_path)
    videos = full([{"video_id": v, "title": v, "duration_s": 10.0} for v in "abcd"], VIDEOS)
    deltalake.write_deltalake(str(tables.path("videos")), videos.to_arrow())

    def read(events, config=None, **window):
        frame = full(events, EVENTS)
        deltalake.write_deltalake(
            str(tables.path("events")), frame.to_arrow(), partition_by=["date"], mode="overwrite"
        )
        return load_histories(tables, IdMap("abcd"), config or InterestConfig(), **window)

    return read


def test_rows_are_users_sorted_by_pseudonym_oldest_first(read):
    histories = read(
        [event("u2", "a", 5, "view"), event("u1", "b", 9, "view"), event("u1", "a", 3, "view")]
    )
    assert histories.user_ids == ("u1", "u2")
    assert histories.offsets.tolist() == [0, 2, 3]
    assert histories.videos.tolist() == [0, 1, 0]


def test_impressions_searches_and_unknown_videos_are_no_interactions(read):
    histories = read(
        [
            event("u1", "a", 0, "impression"),
            event("u1", "b", 1, "search"),
            event("u2", "zz", 2, "view"),
            event("u3", "c", 3, "view"),
        ]
    )
    assert histories.user_ids == ("u3",)
    assert histories.videos.tolist() == [2]


def test_many_events_become_one_interaction_of_the_strongest_signal(read):
    histories = read(
        [
            event("u", "a", 0, "view", watch_s=6.0),
            event("u", "a", 1, "like"),
            event("u", "a", 2, "view", watch_s=3.0),
        ]
    )
    assert histories.weights.tolist() == [2.0]
    assert histories.kinds.tolist() == [EVENT_KINDS.index("like")]
    assert histories.watch_shares.tolist() == pytest.approx([0.6])
    assert histories.timestamps.tolist() == [int(START.timestamp() * 1e6)]


def test_the_last_explicit_word_wins(read):
    liked_last = read([event("u", "a", 0, "dislike"), event("u", "a", 1, "like")])
    disliked_last = read([event("u", "a", 0, "like"), event("u", "a", 1, "dislike")])
    assert liked_last.weights.tolist() == [2.0]
    assert disliked_last.weights.tolist() == [-2.0]


def test_a_view_weighs_by_its_share_and_a_glimpse_is_a_skip(read):
    histories = read(
        [
            event("u", "a", 0, "view", watch_s=10.0),
            event("u", "b", 1, "view", watch_s=5.0),
            event("u", "c", 2, "view", watch_s=0.5),
            event("u", "d", 3, "view"),
        ]
    )
    assert histories.weights.tolist() == [1.0, 0.75, -0.5, 1.0]


def test_a_low_rating_is_a_dislike(read):
    events = [event("u", "a", 0, "rating", value=2.0), event("u", "b", 1, "rating", value=4.0)]
    assert read(events).weights.tolist() == [-2.0, 1.5]
    assert read(events, InterestConfig(rating_liked_from=0)).weights.tolist() == [1.5, 1.5]


@pytest.mark.parametrize(
    ("ratings", "weights"),
    [
        ([0.5, 3.0, 5.0], [-2.0, 1.5, 1.5]),
        ([1.0, 5.0, 6.0, 10.0], [-2.0, -2.0, 1.5, 1.5]),
        ([0.0, 1.0], [-2.0, 1.5]),
        ([1.0, 1.0], [1.5, 1.5]),
        ([20.0, 80.0], [-2.0, 1.5]),
        ([-1.0, 1.0], [-2.0, 1.5]),
    ],
)
def test_what_is_liked_follows_the_scale_that_is_found(read, ratings, weights):
    events = [
        event("u", video, at, "rating", value=rating)
        for at, (video, rating) in enumerate(zip("abcd", ratings, strict=False))
    ]
    assert read(events).weights.tolist() == weights


def test_the_window_is_closed_at_its_start_and_open_at_its_end(read):
    events = [event("u", v, minute, "view") for v, minute in (("a", 0), ("b", 10), ("c", 20))]
    start, end = START + timedelta(minutes=10), START + timedelta(minutes=20)
    assert read(events, since=start, until=end).videos.tolist() == [1]


def test_no_events_table_gives_no_rows(tmp_path):
    histories = load_histories(Tables(tmp_path), IdMap("ab"), InterestConfig())
    assert len(histories) == 0
    assert histories.matrix(2).shape == (0, 2)


def perhaps(numbers):
    return st.none() | numbers


EVENT = st.fixed_dictionaries(
    {
        "video": st.integers(0, 3),
        "event": st.sampled_from(INTERACTIONS),
        "timestamp": st.integers(-5, 5).map(lambda step: 1_790_000_000_000_000 + step),
        "watch_s": perhaps(st.floats(0, 50)),
        "value": perhaps(st.integers(0, 10).map(float)),
        "duration_s": perhaps(st.sampled_from([0.0, 1.0, 30.0])),
    }
)


@given(st.lists(EVENT, min_size=1, max_size=30), st.sampled_from([0.0, 3.0, 5.5]))
@settings(max_examples=60, deadline=None)
def test_a_table_of_events_and_the_events_of_a_request_say_the_same(events, liked_from):
    config = InterestConfig(rating_liked_from=liked_from)
    floats = dict.fromkeys(("watch_s", "value", "duration_s"), pl.Float64)
    moment = pl.col("timestamp").cast(TIME)
    frame = pl.DataFrame(events, schema_overrides=floats).with_columns(moment)
    every = weigh(IN_QUERY, config, Expressions())
    each = frame.select("video", "timestamp", **every._asdict())
    columns = Weighed(*map(pl.col, Weighed._fields))
    together = combine(columns, pl.col("timestamp").to_physical(), Expressions())
    batch = each.group_by("video").agg(**together._asdict()).sort("video")

    arrays = {name: np.array([e[name] for e in events], dtype=float) for name in floats}
    kind = np.array([CODES[e["event"]] for e in events])
    times = np.array([e["timestamp"] for e in events])
    videos, live = of_one_user(
        np.array([e["video"] for e in events]), Events(kind, times, **arrays), config
    )

    assert videos.tolist() == batch["video"].to_list()
    for name in ("weight", "timestamp", "kind"):
        assert getattr(live, name).tolist() == batch[name].to_list()
    shares = [None if np.isnan(share) else share for share in live.watch_share]
    assert shares == batch["watch_share"].to_list()
