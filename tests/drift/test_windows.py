from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import polars as pl
import pytest

from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.drift.windows import WindowsConfig, load_windows, plan, why_nothing
from kinoloop.testing.drifting import START, make_world, write_tables

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONFIG = WindowsConfig()
read = partial(load_windows, interest=InterestConfig())


def _days(span):
    return round((span.end - span.start) / DAY, 3)


def test_without_a_champion_the_weeks_before_are_the_reference():
    periods = plan(NOW - 60 * DAY, NOW, CONFIG, known_until=None)
    assert [_days(p) for p in periods] == [7] * 5
    assert all(a.end == b.start for a, b in pairwise(periods))
    assert periods[-1].start < NOW < periods[-1].end


def test_only_what_the_champion_has_not_seen_is_current():
    periods = plan(NOW - 60 * DAY, NOW, CONFIG, known_until=NOW - 3.5 * DAY)
    assert {_days(p) for p in periods} == {3}
    assert len(periods) == 28 // 3 + 1
    assert periods[-2].end <= periods[-1].start


def test_the_reference_is_what_an_old_champion_was_made_with():
    trained = NOW - 30 * DAY
    periods = plan(NOW - 90 * DAY, NOW, CONFIG, known_until=trained)
    assert periods[-2].end == trained + timedelta(microseconds=1)
    assert periods[-1].end - periods[-1].start == 7 * DAY


@pytest.mark.parametrize("trained", [NOW, NOW - 0.9 * DAY, NOW + DAY])
def test_less_than_a_day_of_news_is_nothing_to_compare(trained):
    assert plan(NOW - 60 * DAY, NOW, CONFIG, known_until=trained) == ()


def test_no_reference_is_nothing_to_compare():
    assert plan(NOW - 8 * DAY, NOW, CONFIG, known_until=None) == ()


@pytest.fixture
def tables(tmp_path):
    return write_tables(make_world(0, users=40, days=21), tmp_path)


def test_loads_equal_periods_without_user_ids(tables):
    windows = read(tables, CONFIG)
    assert len(windows.periods) == 2  # 21 days hold the current week and, to the second, one more
    assert set(windows.events["period"]) == {0, 1}
    assert "user_id" not in windows.events.columns
    assert windows.events["watch_share"].is_between(0, 1).all()
    assert windows.events["category"].null_count() == 0
    assert windows.videos.height < tables.scan("videos").collect().height


def test_what_is_watched_is_what_shows_interest_in_training(tables):
    events = load_windows(tables, CONFIG, interest=InterestConfig(min_watch_share=0.5)).events
    hardly = (pl.col("event") == "view") & (pl.col("watch_share") < 0.5)
    uninterested = events.filter(pl.col("interest") <= 0)
    assert events.filter(hardly).height
    assert uninterested.equals(events.filter(hardly | (pl.col("event") == "skip")))


def test_panel_is_bounded_and_seeded(tables):
    config = WindowsConfig(max_users=10)
    one, again = (read(tables, config, seed=1).events for _ in "ab")
    assert one["user"].n_unique() == 10
    assert one.equals(again)
    assert not one.equals(read(tables, config, seed=2).events)


def test_rows_come_in_one_order_whatever_the_order_on_disk(tables):
    windows = read(tables, CONFIG)
    events = windows.events
    assert events.equals(events.sort("user", "timestamp", "video_id", "event"))
    assert windows.videos["video_id"].is_sorted()


def test_no_events_are_no_windows(tmp_path):
    assert read(Tables(tmp_path), CONFIG) is None
    assert why_nothing(Tables(tmp_path), CONFIG).startswith("there are no events")


def test_nothing_new_is_no_windows(tables):
    assert read(tables, CONFIG, known_until=START + 21 * DAY) is None
    why = why_nothing(tables, CONFIG, known_until=START + 21 * DAY)
    assert why.startswith("less than a day of events is new: the events span 21.0 days, 2026-")
    assert "the champion knows them until 2026-" in why
    assert "at least 1 day after that is needed; next: kinoloop ingest" in why


@pytest.mark.parametrize(
    ("known_until", "days", "since"),
    [(None, 20, "2025-12-16"), (START + 5 * DAY, 15, "2025-12-26")],
)
def test_without_a_reference_it_is_said_which_days_are_there_and_needed(
    tables, known_until, days, since
):
    long = WindowsConfig(days=20)
    assert read(tables, long, known_until=known_until) is None
    why = why_nothing(tables, long, known_until=known_until)
    assert f"before the newest {days} days: the events span 21.0 days, 2026-01-05 " in why
    assert f"; events since {since} " in why
    assert "or lower [drift] days = 20" in why
