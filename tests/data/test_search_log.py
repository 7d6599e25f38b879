from datetime import UTC, datetime, timedelta

import polars as pl

from kinoloop.data.ids import IdMap
from kinoloop.data.search_log import load_search_log
from kinoloop.data.tables import Tables
from kinoloop.schema import EVENTS

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def write(folder, *rows):
    """Rows of (user, minute, event, video, text, surface)."""
    columns = ("user_id", "timestamp", "event", "video_id", "text", "surface")
    events = [
        dict(zip(columns, (u, NOON + timedelta(minutes=m), *rest), strict=True))
        for u, m, *rest in rows
    ]
    full = [{c: row.get(c) for c in EVENTS} | {"date": NOON.date()} for row in events]
    pl.DataFrame(full, schema=EVENTS).write_delta(str(folder / "events"))
    return Tables(folder)


def test_a_search_is_paired_with_the_first_result_that_its_user_watched_soon(tmp_path):
    tables = write(
        tmp_path,
        ("a", 0, "search", "v1", "trains", "search"),
        ("a", 1, "skip", "v1", None, "search"),
        ("a", 2, "view", "v9", None, "home"),
        ("b", 2, "view", "v3", None, "search"),
        ("a", 3, "view", "v2", None, "search"),
        ("a", 4, "like", "v1", None, "search"),
        ("a", 90, "search", "v1", "too long ago", "search"),
        ("a", 121, "view", "v1", None, "search"),
        ("b", 200, "search", "v1", "   ", "search"),
        ("b", 201, "view", "v1", None, "search"),
        ("c", 300, "search", "v1", "unknown video", "search"),
        ("c", 301, "view", "gone", None, "search"),
    )
    log = load_search_log(tables, IdMap(["v1", "v2", "v3"]), most=10)
    assert (log.queries, log.videos.tolist()) == (("trains",), [1])


def test_the_newest_pairs_are_kept(tmp_path):
    rows = [
        row
        for at in range(5)
        for row in (
            ("a", 60 * at, "search", "v1", f"text {at}", "search"),
            ("a", 60 * at + 1, "view", "v1", None, "search"),
        )
    ]
    log = load_search_log(write(tmp_path, *rows), IdMap(["v1"]), most=2)
    assert log.queries == ("text 3", "text 4")
