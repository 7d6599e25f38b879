from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from kinoloop.data.exposures import load_exposures
from kinoloop.data.ids import IdMap
from kinoloop.data.tables import Tables
from kinoloop.schema import EVENTS

DAY = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def exposures(tmp_path):
    rows = [
        ("b", "v1", 10, "impression", None, "home"),
        ("b", "v1", 12, "view", 7.0, None),
        ("b", "v1", 13, "view", 3.0, None),
        ("b", "v1", 14, "like", None, None),
        ("a", "v2", 11, "impression", None, "feed"),
        ("a", "v1", 15, "view", None, None),
        ("a", "v1", 16, "search", None, None),
        ("a", "gone", 17, "impression", None, None),
        ("b", "v1", 40, "impression", None, "home"),
        ("a", "v2", 41, "rating", None, None),
    ]
    frame = pl.DataFrame(
        [
            {
                "user_id": user, "video_id": video, "event": event, "watch_s": watch,
                "timestamp": DAY.replace(day=1 + hour // 24, hour=hour % 24), "surface": surface,
                "value": 4.0 if event == "rating" else None, "event_id": str(i),
            }
            for i, (user, video, hour, event, watch, surface) in enumerate(rows)
        ],
        schema_overrides={"timestamp": EVENTS["timestamp"], "watch_s": pl.Float64},
    ).with_columns(date=pl.col("timestamp").dt.date())  # fmt: skip
    tables = Tables(tmp_path)
    full = [
        (pl.col(c) if c in frame.columns else pl.lit(None)).cast(t).alias(c)
        for c, t in EVENTS.items()
    ]
    frame.select(full).write_delta(str(tables.path("events")))
    return load_exposures(tables, IdMap(["v2", "v1"]))


def test_the_last_rating_and_the_first_surface_are_those_in_time_whatever_the_order_of_rows(
    tmp_path,
):
    rows = [(9, 1.0, "tv"), (8, 5.0, None), (7, 2.0, "home"), (10, 4.0, "feed"), (6, 3.0, None)]
    frame = pl.DataFrame(
        [
            {"user_id": "a", "video_id": "v1", "event": "rating", "event_id": str(n),
             "timestamp": DAY.replace(hour=hour), "surface": surface, "value": value}
            for n, (hour, value, surface) in enumerate(rows)
        ],
        schema_overrides={"timestamp": EVENTS["timestamp"]},
    ).with_columns(date=pl.col("timestamp").dt.date())  # fmt: skip
    full = [
        (pl.col(c) if c in frame.columns else pl.lit(None)).cast(t).alias(c)
        for c, t in EVENTS.items()
    ]
    tables = Tables(tmp_path)
    frame.select(full).write_delta(str(tables.path("events")))
    found = load_exposures(tables, IdMap(["v1"]))
    assert found.ratings.tolist() == [4.0]
    assert [found.facts[code] for code in found.situations] == [{"surface": "home"}]


def test_an_exposure_is_a_user_with_a_video_on_a_day(exposures):
    assert [exposures.user_ids[u] for u in exposures.users] == ["b", "a", "a", "b", "a"]
    assert exposures.videos.tolist() == [1, 0, 1, 1, 0]
    assert (np.diff(exposures.timestamps) > 0).all()


def test_it_keeps_what_followed(exposures):
    assert exposures.happened("like").tolist() == [True, False, False, False, False]
    assert exposures.happened("view", "rating").tolist() == [True, False, True, False, True]
    assert exposures.watch_s[0] == 7
    assert np.isnan(exposures.watch_s[1:]).all()
    assert exposures.ratings[4] == 4
    assert [exposures.facts[s].get("surface") for s in exposures.situations] == [
        "home", "feed", None, "home", None,
    ]  # fmt: skip


def test_what_was_not_shown_is_marked(exposures):
    assert exposures.shown.tolist() == [True, True, False, True, False]


def test_the_first_situation_of_a_time_is_that_of_what_was_recommended_first(exposures):
    at = exposures.timestamps
    home, feed = {"surface": "home"}, {"surface": "feed"}
    assert exposures.first_situations(int(at.min()), int(at.max())) == {"a": feed, "b": home}
    assert exposures.first_situations(int(at.min()), int(at.min())) == {"b": home}
    assert exposures.first_situations(int(at.max()) + 1, int(at.max()) + 2) == {}
    found = replace(exposures, facts=tuple(
        {"surface": "search"} if fact == feed else fact for fact in exposures.facts
    ))  # fmt: skip
    assert found.first_situations(int(at.min()), int(at.max())) == {"b": home}


def test_rows_can_be_picked(exposures):
    part = exposures.select(exposures.shown)
    assert len(part) == 3
    assert part.user_ids == exposures.user_ids


def test_no_events_are_no_exposures(tmp_path):
    assert len(load_exposures(Tables(tmp_path), IdMap(["v"]))) == 0


def test_the_situation_is_that_of_the_impression_where_there_is_one(tmp_path):
    rows = [
        (9, "view", "search", "phone", None),
        (10, "impression", "home", None, '{"network": "wifi"}'),
        (11, "like", "profile", "tv", None),
    ]
    frame = pl.DataFrame(
        [
            {"user_id": "a", "video_id": "v1", "event": event, "event_id": str(hour),
             "timestamp": DAY.replace(hour=hour), "surface": surface, "device": device,
             "context": context}
            for hour, event, surface, device, context in rows
        ],
        schema_overrides={"timestamp": EVENTS["timestamp"], "context": pl.String},
    ).with_columns(date=pl.col("timestamp").dt.date())  # fmt: skip
    full = [
        (pl.col(c) if c in frame.columns else pl.lit(None)).cast(t).alias(c)
        for c, t in EVENTS.items()
    ]
    tables = Tables(tmp_path)
    frame.select(full).write_delta(str(tables.path("events")))
    found = load_exposures(tables, IdMap(["v1"]))
    situation = {"surface": "home", "device": "phone", "context.network": "wifi"}
    assert [found.facts[at] for at in found.situations] == [situation]
