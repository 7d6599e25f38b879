from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.ids import IdMap
from kinoloop.schema import TIME
from serving import exposure as module
from serving.exposure import GONE, NOBODY, UNDATED, exposure
from serving.impressions import Answer, Impressions

NOW = datetime(2026, 5, 1, tzinfo=UTC)
VIDEOS = {
    "fresh": ("ann", 0.5),
    "week": ("ann", 5.0),
    "old": ("bob", 400.0),
    "undated": (None, None),
}


@pytest.fixture
def catalogue():
    published = [0 if age is None else _us(NOW - timedelta(days=age)) for _, age in VIDEOS.values()]
    creators = [creator for creator, _ in VIDEOS.values()]
    return Catalogue(
        IdMap(VIDEOS),
        np.array(published),
        pl.DataFrame({"video_id": list(VIDEOS), "creator_id": creators}),
    )


@pytest.fixture
def show(tmp_path):
    """Show videos, as the service records it, and give the landing zone."""

    def shown(*videos, at=NOW):
        records = Impressions(tmp_path / "spool", str(tmp_path / "landing"),
                              max_answers=9, max_bytes=2**20, max_rows=99)  # fmt: skip
        n = len(videos)
        records.record(Answer(f"r{at}", None, _us(at), "home", None, None, "1", "c", "best_first",
                              None, videos, [1.0] * n, [1.0] * n, ["."] * n))  # fmt: skip
        records.flush()
        records.export()
        return str(tmp_path / "landing")

    return shown


def _us(moment):
    return round(moment.timestamp() * 1e6)


def test_places_are_counted_by_creator_and_by_age_at_the_showing(show, catalogue):
    show("old", at=NOW - timedelta(days=396.5))  # four days old by then
    told = exposure(show("fresh", "fresh", "week", "undated", "withdrawn"), catalogue)
    assert (told.places, told.videos, told.creators_shown) == (6, 5, 2)
    assert (told.since, told.until) == (NOW - timedelta(days=396.5), NOW)
    assert {one.name: (one.places, one.of_catalogue) for one in told.creators} == {
        "ann": (3, 0.5),
        "bob": (1, 0.25),
        NOBODY: (1, 0.25),
        GONE: (1, 0.0),
    }
    assert {one.name: (one.places, one.of_catalogue) for one in told.ages} == {
        "under a day": (2, 0.25),
        "1 to 7 days": (2, 0.25),
        "over a year": (0, 0.25),
        UNDATED: (1, 0.25),
        GONE: (1, 0.0),
    }
    assert sum(one.share for one in told.creators) == pytest.approx(1)
    assert sum(one.share for one in told.ages) == pytest.approx(1)


def test_beyond_the_first_creators_the_others_are_one_share(show, catalogue, monkeypatch):
    monkeypatch.setattr(module, "CREATORS", 1)
    told = exposure(show("fresh", "old", "week"), catalogue)
    assert [(one.name, one.places, one.of_catalogue) for one in told.creators] == [
        ("ann", 2, 0.5),
        ("1 others", 1, 0.25),
    ]


def test_the_newest_files_are_enough_and_damaged_ones_are_passed_over(
    show, catalogue, monkeypatch, tmp_path, caplog
):
    monkeypatch.setattr(module, "PLACES", 2)
    landing = show("old", "old", at=NOW - timedelta(days=1))
    show("fresh", "week")
    (tmp_path / "landing/events/impressions/odd.parquet").write_bytes(b"PAR1 no more")
    told = exposure(landing, catalogue)
    assert (told.places, told.since) == (2, NOW)
    assert "odd.parquet was passed over" in caplog.text


def test_rows_without_a_video_or_a_time_that_can_be_are_passed_over(show, catalogue, tmp_path):
    landing = show("fresh")
    times = [None, 760_000_000_000_000_000, -(2**62), _us(NOW)]  # the second is in 26053
    rows = {"video_id": ["old", "old", "old", None], "timestamp": times}
    frame = pl.DataFrame(rows, schema={"video_id": pl.String, "timestamp": pl.Int64})
    folder = tmp_path / "landing/events/impressions"
    frame.with_columns(pl.col("timestamp").cast(TIME)).write_parquet(folder / "odd.parquet")
    told = exposure(landing, catalogue)
    assert (told.places, told.since, told.until) == (1, NOW, NOW)


def test_without_impressions_it_says_why_there_is_nothing(tmp_path, catalogue):
    told = exposure(str(tmp_path / "nowhere"), catalogue)
    assert told.places == 0
    assert "there are no impressions in" in told.unknown_because
    told = exposure("nothing://here", catalogue)
    assert "cannot be read" in told.unknown_because
