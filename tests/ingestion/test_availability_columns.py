"""The columns that say when a video may be shown, from a landing file to the tables."""

from datetime import UTC, datetime

import polars as pl

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.tables import Tables
from kinoloop.ingestion.conform import conform
from kinoloop.release.availability import Availability
from kinoloop.schema import VIDEOS


def test_truth_is_read_from_the_words_for_it_and_anything_else_is_unreadable():
    raw = pl.DataFrame(
        {
            "video_id": list("abcdef"),
            "title": list("abcdef"),
            "hidden": ["true", "No", " 1 ", "0", "maybe", None],
        }
    )
    frame = conform(raw, kind="videos", file="f.csv")
    assert frame["hidden"].to_list() == [True, False, True, False, None, None]
    assert frame["unreadable_hidden"].to_list() == [False] * 4 + [True, False]


def test_a_table_from_before_these_columns_is_read_with_none_of_them_set(tmp_path):
    old = {name: dtype for name, dtype in VIDEOS.items() if name not in LATER}
    row = {"video_id": ["v"], "title": ["t"]}
    frame = pl.DataFrame(row).with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in old.items() if name not in row
    )
    frame.select(*old).write_delta(str(tmp_path / "videos"))
    catalogue = load_catalogue(Tables(tmp_path))
    assert catalogue.videos.select(LATER).row(0) == (None, None, None)
    assert len(Availability(catalogue).closed(0)) == 0


LATER = ("available_from", "available_until", "hidden")
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def test_what_the_landing_zone_says_reaches_the_one_rule(tmp_path):
    frame = pl.DataFrame(
        {
            "video_id": ["early", "late", "shut", "open"],
            "title": ["t"] * 4,
            "available_from": ["2026-01-02", None, None, None],
            "available_until": [None, "2025-12-31T00:00:00Z", None, None],
            "hidden": [None, None, "yes", "no"],
        }
    )
    typed = conform(frame, kind="videos", file="f.csv").with_columns(batch_id=pl.lit("b"))
    typed.select(*VIDEOS).write_delta(str(tmp_path / "videos"))
    catalogue = load_catalogue(Tables(tmp_path))
    closed = Availability(catalogue).closed(int(MOMENT.timestamp() * 1e6))
    assert {catalogue.ids.ids[v] for v in closed} == {"early", "late", "shut"}
