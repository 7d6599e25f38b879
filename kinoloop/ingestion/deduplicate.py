"""From accepted shards to the files that will be published: each video and each event once.

Events are deduplicated day by day (the partitions of the table): ids are looked up only among the
days that the batch touches, and never more than about `chunk_rows` rows are held, whatever the
table has. So the time is linear in the batch and the memory flat. An `event_id` that comes again
with a time on another day is therefore not seen as the same event.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from math import ceil
from pathlib import Path

import polars as pl

from kinoloop.data.durations import with_durations
from kinoloop.data.tables import Tables
from kinoloop.ingestion.batch import FileCounts
from kinoloop.ingestion.row_text import VIDEO_IDENTITY, row_text
from kinoloop.ingestion.stage_rows import Stage
from kinoloop.schema import EVENTS, VIDEOS

ACCEPTED = "accepted"
PUBLISH = "publish"


def known_videos(tables: Tables) -> pl.DataFrame:
    """Videos of the table: `video_id`, `known_duration_s`."""
    videos = with_durations(tables.scan("videos").select("video_id", "duration_s"), tables)
    return videos.rename({"duration_s": "known_duration_s"}).collect()


def publish_videos(stage: Stage, tables: Tables, files: Sequence[FileCounts]) -> None:
    """Keep one row per video: the later of two files counts, a row that is known changes nothing.

    Writes `publish/videos` (new ids) and `publish/replaced` (ids that the table has), and adds the
    accepted videos to `stage.known`.
    """
    shards = sorted((stage.directory / ACCEPTED / "videos").glob("*.parquet"))
    if not shards:
        return
    rows = (
        pl.scan_parquet(shards)
        .select("video_id", "row_hash", "file_index", known_duration_s="duration_s")
        .collect()
        .with_row_index("position")
    )
    table = (
        tables.scan("videos")
        .join(rows.lazy().select("video_id"), on="video_id", how="semi")
        .select("video_id", table_hash=row_text(VIDEO_IDENTITY).hash())
        .collect(engine="streaming")
    )
    rows = rows.join(table, on="video_id", how="left", maintain_order="left").with_columns(
        kept=pl.col("position") == pl.col("position").max().over("video_id")
    )
    rows = rows.with_columns(
        kept=pl.col("kept") & pl.col("row_hash").ne_missing(pl.col("table_hash"))
    )
    _count(rows, files)
    kept = rows.filter("kept")
    first = 0
    for shard in shards:
        frame = pl.read_parquet(shard).with_row_index("position", offset=first)
        first += frame.height
        for folder, part in (
            ("videos", kept.filter(pl.col("table_hash").is_null())),
            ("replaced", kept.filter(pl.col("table_hash").is_not_null())),
        ):
            chosen = frame.join(part.select("position"), on="position", how="semi")
            stage.write(f"{PUBLISH}/{folder}", chosen.select(*VIDEOS))
    fresh = (
        with_durations(kept.lazy().select("video_id", duration_s="known_duration_s"), tables)
        .rename({"duration_s": "known_duration_s"})
        .collect()
    )
    stage.known = pl.concat([stage.known.join(fresh, on="video_id", how="anti"), fresh])


def publish_events(stage: Stage, tables: Tables, files: Sequence[FileCounts]) -> None:
    """Keep one row per event_id, in the batch and against the table; write `publish/events`."""
    shards = sorted((stage.directory / ACCEPTED / "events").glob("*.parquet"))
    for first, last, bucket, buckets in _groups(stage.dates, stage.limits.config.chunk_rows):
        wanted = pl.col("date").is_between(first, last)
        if buckets > 1:
            wanted &= pl.col("event_id").hash() % buckets == bucket
        rows = pl.scan_parquet(shards).filter(wanted).collect()
        ids = rows.lazy().select("event_id")
        stored = (
            tables.scan("events")
            .filter(wanted)
            .select("event_id")
            .join(ids, on="event_id", how="semi")
            .unique()
            .collect(engine="streaming")
        )
        rows = rows.with_columns(
            kept=pl.col("event_id").is_first_distinct()
            & ~pl.col("event_id").is_in(stored["event_id"].implode())
        )
        _count(rows, files)
        for part in rows.filter("kept").partition_by("date", maintain_order=True):
            stage.write(f"{PUBLISH}/events/date={part['date'][0]}", part.select(*EVENTS))


def _count(rows: pl.DataFrame, files: Sequence[FileCounts]) -> None:
    """Add what was kept and what came again to the counts of each file."""
    sums = rows.group_by("file_index").agg(
        accepted=pl.col("kept").sum(), duplicates=(~pl.col("kept")).sum()
    )
    for index, accepted, duplicates in sums.iter_rows():
        files[index].accepted += accepted
        files[index].duplicates += duplicates


def _groups(dates: dict[date, int], rows: int) -> Iterator[tuple[date, date, int, int]]:
    """Yield runs of days with about `rows` events together, as (first, last, bucket, buckets).

    A day that alone has more is split into buckets by the hash of the event id.
    """
    run: list[date] = []
    held = 0
    for day in sorted(dates):
        if run and held + dates[day] > rows:
            yield run[0], run[-1], 0, 1
            run, held = [], 0
        if dates[day] > rows:
            buckets = ceil(dates[day] / rows)
            yield from ((day, day, bucket, buckets) for bucket in range(buckets))
            continue
        run.append(day)
        held += dates[day]
    if run:
        yield run[0], run[-1], 0, 1


def shards_of(directory: Path, folder: str) -> list[Path]:
    """Files to publish below `folder` of a staged batch, sorted."""
    return sorted((directory / PUBLISH / folder).rglob("*.parquet"))
