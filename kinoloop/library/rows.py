"""Rows of frames through the rules of ingestion: typed, judged, and reported by row.

The rules, the parser of times and the schemas are those that landing files go through; only what
follows differs. Rows that a rule would quarantine are refused by name, or set aside where asked.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

import polars as pl

from kinoloop.data.times import why_unreadable
from kinoloop.errors import BatchError, ConfigError, DataError
from kinoloop.ingestion.conform import REQUIRED, conform
from kinoloop.ingestion.event_rules import RAW_USER, UNKNOWN_VIDEO
from kinoloop.ingestion.row_text import VIDEO_IDENTITY, row_text
from kinoloop.ingestion.rule import IngestConfig, Limits, Rule
from kinoloop.ingestion.rules import RULES, judged
from kinoloop.ingestion.stage_rows import STORED
from kinoloop.schema import LANDING_EVENTS, TIME

Errors = Literal["raise", "quarantine"]

REFUSED = pl.Schema(
    {
        "kind": pl.String,  # "videos" or "events"
        "row": pl.Int64,  # from 0
        "column": pl.String,
        "reason": pl.String,
        "value": pl.String,
    }
)
"""What is reported of rows that were set aside."""

_FILLED_IN = {"event", "title"}  # where a frame lacks them
_RULES = {rule.name: rule for rule in RULES}
_VIDEO_IDS = tuple(_RULES[f"video_id_{fault}"] for fault in ("too_long", "unprintable"))
"""What holds for the ids of videos that only events name."""

_REASONS = {  # where the words of ingestion speak of tables and files
    "event_video_unknown": "no row of videos has this video_id",
    "video_id_conflict": "an earlier row of this video_id says something else",
}


_CONFIG = IngestConfig(rules={UNKNOWN_VIDEO: "quarantine"})
"""Nothing comes later here that an event could wait for."""


class RowCheck:
    """Judges the rows of frames.

    Args:
        errors: `raise` refuses the first row that breaks a rule, `quarantine` sets such rows aside.

    Raises:
        ConfigError: `errors` is neither.
    """

    def __init__(self, errors: Errors) -> None:
        if errors not in ("raise", "quarantine"):
            raise ConfigError(f'errors is {errors!r}, expected "raise" or "quarantine"')
        self._errors = errors
        self._limits = Limits(_CONFIG, datetime.now(UTC))
        self._refused: list[pl.DataFrame] = []

    @property
    def refused(self) -> pl.DataFrame:
        """Rows that were set aside, columns of `REFUSED`."""
        return pl.concat([REFUSED.to_frame(eager=True), *self._refused])

    def videos(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Check videos: one row per id, the first one where rows are the same.

        Raises:
            DataError: A column is missing or has a wrong type, or a row breaks a rule.
        """
        _check_names(raw.columns, "videos")
        if "title" not in raw.columns:
            raw = raw.with_columns(title=pl.lit(None, pl.String))
        frame = _conformed(raw, "videos").with_columns(*STORED)
        stored = frame.with_columns(row_hash=row_text(VIDEO_IDENTITY).hash())
        first = pl.col("row_hash").first().over("video_id")
        frame = stored.with_columns(
            conflict=pl.col("video_id").is_not_null() & (pl.col("row_hash") != first)
        )
        good = self._split(raw, frame, "videos", first_row=0)
        return good.unique("video_id", keep="first", maintain_order=True)

    def events(self, chunks: Iterable[pl.DataFrame], known: pl.DataFrame | None) -> pl.DataFrame:
        """Check events.

        Args:
            chunks: Frames; rows are counted through all of them.
            known: Videos that events may name, `video_id` and `duration_s`; None: whatever they
                name is a video.

        Returns:
            Columns of `schema.LANDING_EVENTS`.

        Raises:
            DataError: A column is missing or has a wrong type, or a row breaks a rule.
        """
        good, first_row = [pl.DataFrame(schema=LANDING_EVENTS)], 0
        for raw in chunks:
            _check_names(raw.columns, "events")
            named = raw if "event" in raw.columns else raw.with_columns(event=_kind_of(raw))
            frame = _with_known(_conformed(named, "events"), known)
            also = _VIDEO_IDS if known is None else ()
            good.append(self._split(named, frame, "events", first_row=first_row, also=also))
            first_row += raw.height
        return pl.concat([frame.select(*LANDING_EVENTS) for frame in good])

    def _split(
        self,
        raw: pl.DataFrame,
        frame: pl.DataFrame,
        kind: str,
        *,
        first_row: int,
        also: Sequence[Rule] = (),
    ) -> pl.DataFrame:
        """Return the rows that break no rule of their kind, nor of `also`; report the others."""
        frame = judged(frame, kind, self._limits)
        broken = [pl.when(rule.breaks(self._limits)).then(pl.lit(rule.name)) for rule in also]
        if broken:
            more = pl.concat_list(broken).list.drop_nulls()
            frame = frame.with_columns(pl.col("reasons").list.concat(more))
        bad = frame["reasons"].list.len() > 0
        if not bad.any():
            return frame
        places = bad.arg_true()
        if self._errors == "raise":
            fault = _explained(raw, int(places[0]), frame["reasons"][int(places[0])][0])
            raise DataError(
                f"{kind}, row {first_row + int(places[0])}, column {fault['column']!r}: "
                f"{fault['reason']}, got {fault['value']}. Rows that do not fit: {len(places)} of "
                f'{raw.height}; correct them, or pass errors="quarantine" to set them aside'
            )
        rows = [
            {"kind": kind, "row": first_row + at, **_explained(raw, at, reasons[0])}
            for at, reasons in zip(places.to_list(), frame["reasons"].filter(bad), strict=True)
        ]
        self._refused.append(pl.DataFrame(rows, schema=REFUSED))
        return frame.filter(~bad)


def _kind_of(raw: pl.DataFrame) -> pl.Expr:
    """Say what rows without `event` are: ratings where they have a value, else views."""
    return pl.lit("rating" if "value" in raw.columns else "view")


def _with_known(frame: pl.DataFrame, known: pl.DataFrame | None) -> pl.DataFrame:
    """Add what the rules of events read of a row's video and user."""
    frame = frame.with_columns(*RAW_USER, known_label=pl.lit(value=True))
    if known is None:
        return frame.with_columns(
            known=pl.lit(value=True), known_duration_s=pl.lit(None, pl.Float64)
        )
    videos = known.select("video_id", known_duration_s="duration_s", known=pl.lit(value=True))
    return frame.join(videos, on="video_id", how="left", maintain_order="left").with_columns(
        pl.col("known").fill_null(value=False)
    )


def _check_names(columns: list[str], kind: str) -> None:
    missing = [name for name in REQUIRED[kind] if name not in {*columns, *_FILLED_IN}]
    if missing:
        raise DataError(
            f"{kind}: no column is called {' and none '.join(map(repr, missing))}; there are "
            f"{', '.join(columns) or 'none'}; rename yours"
        )


def _conformed(raw: pl.DataFrame, kind: str) -> pl.DataFrame:
    with _column_named(raw):
        return conform(raw, kind=kind, file=kind)


@contextmanager
def _column_named(raw: pl.DataFrame) -> Iterator[None]:
    """Tell of a column as a caller knows it, with its first value."""
    try:
        yield
    except BatchError as err:
        known = raw[err.column].drop_nulls().head(1).to_list() if err.column in raw.columns else []
        value = f" The first value is {known[0]!r}." if len(known) else ""
        raise DataError(f"{err.file}: column {err.column!r}: {err.hint}{value}") from err


def _explained(raw: pl.DataFrame, row: int, reason: str) -> dict[str, str | None]:
    """Column, reason and value of a row that breaks a rule."""
    rule = _RULES[reason]
    value = raw[rule.column].slice(row, 1).to_list()[0] if rule.column in raw.columns else None
    expected = {**LANDING_EVENTS, "published_at": TIME}.get(rule.column)
    unread = reason.endswith("_unreadable") and expected == TIME
    return {
        "column": rule.column,
        "reason": why_unreadable(value) if unread else _REASONS.get(reason, rule.reason),
        "value": None if value is None else repr(value),
    }
