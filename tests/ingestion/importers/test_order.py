import polars as pl
import pytest

from kinoloop.ingestion.importers import order
from kinoloop.ingestion.importers.order import Order


def table(users, *, by_id, at=0):
    rows = [
        (f"u{user}", (place if user < by_id else place * 7 + user) % 12 + at, place)
        for user in range(users)
        for place in range(12)
    ]
    return pl.DataFrame(rows, schema=["user_id", "video_id", "timestamp"], orient="row")


def told(*frames):
    seen = Order()
    for frame in frames:
        seen.look(frame.with_columns(timestamp=pl.col("timestamp") + 1_700_000_000))
    return seen.warnings()


def test_a_few_users_by_chance_are_no_finding():
    assert told(table(30, by_id=4)) == []
    (warning,) = told(table(30, by_id=10))
    assert warning.startswith("the videos of 33% of the users ascend or descend")


def test_the_halves_of_a_history_are_one_history_and_numbers_are_not_names():
    early, late = table(20, by_id=20), table(20, by_id=20, at=90)
    later = late.with_columns(timestamp=pl.col("timestamp") + 12)
    assert len(told(early, later)) == 1  # 9 before 10, and 99 before 100
    assert told(later, early) == told(early, later)  # whichever is written first
    assert told(later.with_columns(timestamp=pl.col("timestamp") - 50), early) == []
    shuffled = later.with_columns(timestamp=pl.Series([i % 12 * 5 % 12 for i in range(240)]))
    assert told(early, shuffled) == []


def test_users_with_few_events_say_nothing():
    assert told(table(20, by_id=20).filter(pl.col("timestamp") < 4)) == []


def test_whole_users_are_looked_at_and_no_more_than_fit(monkeypatch):
    monkeypatch.setattr(order, "MOST_EVENTS", 100)
    seen = Order()
    for start in range(0, 500, 10):
        frame = table(500, by_id=500).slice(start * 12, 120)
        seen.look(frame.with_columns(timestamp=pl.col("timestamp") + 1_700_000_000))
    kept = pl.concat(seen._parts)
    assert 0 < len(kept) <= 100
    assert kept.group_by("user_id").len()["len"].unique().to_list() == [12]
    assert len(seen.warnings()) == 1


@pytest.mark.parametrize("column", ["user_id", "video_id", "timestamp"])
def test_a_table_without_a_column_is_left_to_ingestion(column):
    assert told(table(20, by_id=20).with_columns(timestamp=0)) != []
    seen = Order()
    seen.look(table(20, by_id=20).drop(column))
    assert seen.warnings() == []
