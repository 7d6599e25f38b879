"""One chunk through the rules: typed, pseudonymised, masked, split, counted."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from kinoloop.data.label_names import with_known_label
from kinoloop.data.times import shown, why_unreadable
from kinoloop.ingestion.batch import FileCounts
from kinoloop.ingestion.chunk import Chunk
from kinoloop.ingestion.conform import conform, parsed_columns, unknown_columns
from kinoloop.ingestion.event_rules import RAW_USER
from kinoloop.ingestion.row_text import VIDEO_IDENTITY, as_json, event_ids, row_text
from kinoloop.ingestion.rule import Limits
from kinoloop.ingestion.rules import judged, rules_of
from kinoloop.ingestion.video_rules import ADDRESSES, with_credentials
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.schema import (
    ANSWER_COLUMNS,
    EVENT_CHECKS,
    EVENT_CONTEXT,
    LANDING_EVENTS,
    QUARANTINE,
    TIME,
    VIDEOS,
)

MALFORMED = "malformed_row"

_DURATION = pl.col("duration_s")
STORED = (
    pl.when(_DURATION.is_finite() & (_DURATION > 0)).then(_DURATION),
    *(pl.when(~with_credentials(name)).then(pl.col(name)) for name in ADDRESSES),
)
"""Columns of a video of which some values are stored as unknown, see `video_rules`."""

_KEPT = (*LANDING_EVENTS, *EVENT_CONTEXT, *ANSWER_COLUMNS)

Observe = Callable[[str, pl.DataFrame], None]
"""Receives (kind, checked chunk): typed columns, pseudonyms, one `breaks_…` column per rule."""


@dataclass
class Stage:
    """What all chunks of a batch share.

    Attributes:
        batch_id: Of the batch.
        directory: Where accepted rows and quarantined rows are written, in shards.
        limits: Settings and the present time.
        pseudonyms: Of the users.
        observe: Sees every checked chunk.
        known: Videos that events may name: `video_id`, `known_duration_s`.
        labels: Gives the names of what videos are about.
        promised: Ids of videos whose file is set aside.
        dates: Accepted events by day, over the whole batch.
        firsts: `video_id` and `first` (hash of its first usable row) by index of the video file.
    """

    batch_id: str
    directory: Path
    limits: Limits
    pseudonyms: Pseudonyms
    observe: Observe
    known: pl.DataFrame
    labels: Callable[[], Collection[str]]
    promised: pl.Series
    dates: dict[date, int] = field(default_factory=dict)
    firsts: dict[int, pl.DataFrame] = field(default_factory=dict)
    shards: int = 0

    def write(self, folder: str, frame: pl.DataFrame, *, row_group: int | None = None) -> None:
        """Write one shard below the staging directory; an empty frame leaves none."""
        if frame.is_empty():
            return
        path = self.directory / folder / f"{self.batch_id}-{self.shards:05d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path, row_group_size=row_group)
        self.shards += 1


def stage_videos(stage: Stage, chunk: Chunk, *, counts: FileCounts, index: int) -> None:
    """Stage one chunk of a video file.

    Args:
        stage: Shared by the batch.
        chunk: As read.
        counts: Of its file; added to.
        index: Of its file in the batch.
    """
    frame = conform(chunk.frame, kind="videos", file=counts.file)
    frame = judged(_with_conflicts(stage, frame, index), "videos", stage.limits)
    _account(stage, chunk, frame, kind="videos", counts=counts)
    _quarantine(stage, chunk.frame, frame, kind="videos", counts=counts)
    good = frame.filter(pl.col("reasons").list.len() == 0)
    stage.write(
        "accepted/videos",
        good.select(
            *[name for name in VIDEOS if name != "batch_id"],
            pl.lit(stage.batch_id).alias("batch_id"),
            "row_hash",
            pl.lit(index, pl.Int32).alias("file_index"),
        ).with_columns(*STORED),
    )


def stage_events(stage: Stage, chunk: Chunk, *, counts: FileCounts, index: int) -> None:
    """Stage one chunk of an event file; arguments as `stage_videos`."""
    frame = conform(chunk.frame, kind="events", file=counts.file)
    frame = frame.with_columns(
        *(_pseudonymised(frame[name], stage.pseudonyms) for name in ("user_id", "person_id")),
        *RAW_USER,
    ).with_columns(pl.coalesce("user_id", "pseudonym"))
    frame = frame.join(
        stage.known.with_columns(known=pl.lit(value=True)),
        on="video_id",
        how="left",
        maintain_order="left",
    ).with_columns(pl.col("known").fill_null(value=False))
    frame = with_known_label(frame, stage.labels)
    frame = judged(frame, "events", stage.limits)
    if len(stage.promised):
        lost = frame.filter(~pl.col("known"))["video_id"]
        counts.promised += int(lost.is_in(stage.promised.implode()).sum())
    _account(stage, chunk, frame, kind="events", counts=counts)
    people = [frame[name] for name in ("user_id", "person_id")]
    _quarantine(stage, _shown(chunk.frame, people), frame, kind="events", counts=counts)
    good = frame.filter(pl.col("reasons").list.len() == 0)
    counts.held += good.filter(pl.col("video_id").is_not_null() & ~pl.col("known")).height
    good = good.select(*_KEPT)
    good = good.with_columns(
        event_ids(good),
        date=pl.col("timestamp").dt.date(),
        batch_id=pl.lit(stage.batch_id),
        file_index=pl.lit(index, pl.Int32),
    ).sort("date", maintain_order=True)
    for day, rows in good.group_by("date").len().iter_rows():
        stage.dates[day] = stage.dates.get(day, 0) + rows
    stage.write("accepted/events", good, row_group=50_000)


def quarantine_rows(
    rows: pl.DataFrame, *, kind: str, counts: FileCounts, stage: Stage
) -> pl.DataFrame:
    """`key`, `reasons` and `row` as rows of the table `quarantine`."""
    return rows.select(
        kind=pl.lit(kind[:-1]),
        key=pl.col("key"),
        reasons=pl.col("reasons"),
        row=pl.col("row"),
        file=pl.lit(counts.file),
        batch_id=pl.lit(stage.batch_id),
        quarantined_at=pl.lit(stage.limits.now),
    ).cast(pl.Schema(QUARANTINE))


def _with_conflicts(stage: Stage, frame: pl.DataFrame, index: int) -> pl.DataFrame:
    """Add `row_hash`, and `conflict` where the file's first row of a video says something else."""
    unreadable = [pl.col(f"unreadable_{name}") for name in parsed_columns("videos")]
    usable = pl.col("video_id").is_not_null() & ~pl.any_horizontal(unreadable)
    stored = frame.with_columns(*STORED).select(row_text(VIDEO_IDENTITY).hash())
    frame = frame.with_columns(stored.to_series().alias("row_hash"))
    here = frame.filter(usable).select("video_id", first="row_hash")
    firsts = pl.concat([stage.firsts.get(index, here.clear()), here]).unique(
        "video_id", keep="first", maintain_order=True
    )
    stage.firsts = {index: firsts}
    return frame.join(firsts, on="video_id", how="left", maintain_order="left").with_columns(
        conflict=usable & (pl.col("row_hash") != pl.col("first"))
    )


def _account(
    stage: Stage, chunk: Chunk, frame: pl.DataFrame, *, kind: str, counts: FileCounts
) -> None:
    stage.observe(kind, frame)
    counts.rows += chunk.rows
    sums = frame.select(
        *[pl.col(rule.flag).sum().alias(rule.name) for rule in rules_of(kind, stage.limits.config)]
    )
    counts.add(sums.row(0, named=True), "findings")
    counts.add({MALFORMED: len(chunk.malformed)}, "findings")
    parsed = parsed_columns(kind)
    unreadable = frame.select(pl.col(f"unreadable_{name}").sum().alias(name) for name in parsed)
    counts.add(unreadable.row(0, named=True), "unreadable")
    for name in set(counts.unreadable) - set(counts.first_unreadable):
        first = chunk.frame[name].filter(frame[f"unreadable_{name}"])[0]
        describe = why_unreadable if frame.schema[name] == TIME else shown
        counts.first_unreadable[name] = describe(first)
    filled = [name for name in parsed if name in chunk.frame.columns]
    counts.add(
        chunk.frame.select(pl.col(filled).count()).row(0, named=True) if filled else {}, "filled"
    )
    if kind == "events":
        extra = unknown_columns(chunk.frame.columns, kind)
        counts.ignored_columns = list(dict.fromkeys([*counts.ignored_columns, *extra]))


def _quarantine(
    stage: Stage, shown: pl.DataFrame, frame: pl.DataFrame, *, kind: str, counts: FileCounts
) -> None:
    bad = frame.select(
        key="event_id" if kind == "events" else "video_id",
        reasons="reasons",
        bad=pl.col("reasons").list.len() > 0,
    )
    rows = bad.filter("bad").with_columns(as_json(shown.filter(bad["bad"])).alias("row"))
    counts.quarantined += rows.height
    stage.write("publish/quarantine", quarantine_rows(rows, kind=kind, counts=counts, stage=stage))


def quarantine_malformed(stage: Stage, chunk: Chunk, *, kind: str, counts: FileCounts) -> None:
    """Quarantine lines that are not rows by their number; their text might name a user."""
    rows = pl.DataFrame(
        {
            "key": [None] * len(chunk.malformed),
            "reasons": [[MALFORMED]] * len(chunk.malformed),
            "row": [json.dumps({"line": n, "why": chunk.why[n]}) for n in chunk.malformed],
        },
        schema={"key": pl.String, "reasons": pl.List(pl.String), "row": pl.String},
    )
    counts.quarantined += rows.height
    stage.write("publish/quarantine", quarantine_rows(rows, kind=kind, counts=counts, stage=stage))


def _shown(raw: pl.DataFrame, people: list[pl.Series]) -> pl.DataFrame:
    """Select what the quarantine shows of raw events: known columns, people as pseudonyms."""
    names = [name for name in (*_KEPT, *EVENT_CHECKS) if name in raw.columns]
    return raw.select(names).with_columns(one for one in people if one.name in names)


def _pseudonymised(user_ids: pl.Series, pseudonyms: Pseudonyms) -> pl.Series:
    unique = user_ids.drop_nulls().unique()
    return user_ids.replace_strict(unique, pseudonyms.of_all(unique), return_dtype=pl.String)
