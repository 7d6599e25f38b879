from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kinoloop.errors import BatchError, DataError
from kinoloop.ingestion.containment import blamed_on
from tests.ingestion.landing_zone import EVENTS, VIDEOS

AT = pa.array([datetime(2025, 12, 30, tzinfo=UTC)], pa.timestamp("us", "UTC"))


def events(**columns):
    given = {"user_id": ["anna"], "video_id": ["v1"], "timestamp": AT, "event": ["view"]}
    return pa.table({**given, **columns})


def videos(**columns):
    return pa.table({"video_id": ["w1"], "title": ["W"], **columns})


ODD = {
    "fixed offset": ("events", events(timestamp=AT.cast(pa.timestamp("us", "+05:30")))),
    "unknown zone": ("events", events(timestamp=AT.cast(pa.timestamp("us", "Mars/Base")))),
    "ms beyond": ("events", events(timestamp=pa.array([2**62], pa.timestamp("ms", "UTC")))),
    "seconds beyond": ("events", events(timestamp=pa.array([2**62 // 10**6], pa.timestamp("s")))),
    "days beyond": ("events", events(timestamp=pa.array([2**31 - 1], pa.date32()))),
    "no text": (
        "events",
        events(user_id=pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())),
    ),
    "duration": ("videos", videos(odd=pa.array([5], pa.duration("us")))),
    "bytes in a list": ("videos", videos(odd=pa.array([[b"\0"]], pa.list_(pa.binary())))),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_never_ends_the_ingest_of_the_others(zone, name):
    kind, table = ODD[name]
    zone.put("videos/a.csv", VIDEOS)
    zone.put("events/a.csv", EVENTS)
    (zone.landing / kind / "odd.parquet").parent.mkdir(exist_ok=True)
    pq.write_table(table, zone.landing / kind / "odd.parquet")
    staged = zone.ingest()
    assert zone.rows("events").filter(pl.col("video_id").is_in(["v1", "v2"])).height >= 2
    taken = [file.file for file in staged.files]
    aside = [one.file for one in staged.set_aside]
    assert sorted(taken + aside) == sorted(["videos/a.csv", "events/a.csv", f"{kind}/odd.parquet"])
    for one in staged.set_aside:
        assert "anna" not in one.message


def test_a_link_to_nothing_is_ignored_by_name(filled, caplog):
    (filled.landing / "events" / "l.csv").symlink_to("/nope")
    assert filled.ingest().total("accepted") == 4
    assert "events/l.csv cannot be read" in caplog.text


def test_times_beyond_the_calendar_of_python_are_none(zone):
    zone.put("videos/a.csv", VIDEOS)
    odd = videos(published_at=pa.array([2**62], pa.timestamp("us", "UTC")))
    pq.write_table(odd, zone.landing / "videos" / "odd.parquet")
    zone.ingest()
    assert zone.rows("videos")["published_at"].to_list() == [None] * zone.rows("videos").height


def test_a_full_disk_is_no_files_fault():
    with pytest.raises(DataError, match="the disk is full"), blamed_on("events/a.csv"):
        raise pl.exceptions.ComputeError("write: No space left on device (os error 28)")
    with pytest.raises(BatchError, match="nothing can read") as caught, blamed_on("events/a.csv"):
        raise ValueError("anna@example.org")
    assert "anna" not in str(caught.value)
