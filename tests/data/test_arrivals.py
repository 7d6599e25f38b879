from datetime import UTC, datetime, timedelta

import polars as pl

from kinoloop.data.arrivals import seconds_since_landing, stamps_of, with_stamps
from kinoloop.data.tables import Tables
from kinoloop.schema import BATCHES, FEATURES, VIDEOS

LANDED = datetime(2026, 1, 1, tzinfo=UTC)


def write(root, name, schema, **columns):
    frame = pl.DataFrame(columns)
    lacking = [pl.lit(None, t).alias(c) for c, t in schema.items() if c not in columns]
    frame.with_columns(lacking).select(pl.col(c).cast(t) for c, t in schema.items()).write_delta(
        str(root / name), mode="append"
    )


def after(seconds):
    return LANDED + timedelta(seconds=seconds)


def test_a_new_video_has_the_times_of_its_stations_and_an_old_one_has_none(tmp_path):
    write(tmp_path, "videos", VIDEOS, video_id=["old", "new"], batch_id=["a", "b"])
    write(tmp_path, "batches", BATCHES, batch_id=["b"], kind=["videos"],
          landed_at=[LANDED], committed_at=[after(10)])  # fmt: skip
    before = pl.DataFrame({"video_id": ["old"]})
    rows = pl.DataFrame({"video_id": ["old", "new"]})
    tables = Tables(tmp_path)
    first = with_stamps(rows, before, tables, now=after(20))
    assert first.row(0, named=True)["landed_at"] is None
    assert stamps_of(first)["new"].keys() == {"landed_at", "ingested_at", "released_at"}
    write(tmp_path, "features", FEATURES, video_id=["new"], extracted_at=[after(30)])
    again = with_stamps(rows, first, tables, now=after(40))
    assert seconds_since_landing(again, "extracted_at").tolist() == [30.0]
    assert seconds_since_landing(again, "released_at").tolist() == [20.0]  # of the first version
    assert set(stamps_of(again)) == {"new"}
