"""What is compared: the newest days against those that the champion was made with, in equal pieces.

The current window is what has come since the champion was made, at most `days` days, in whole
days. The reference is the last `reference_days` days that were known then (of the time before the
current window where there is no champion): the end of its training window, with the validation and
test windows on which it was chosen. It is cut into periods as long as the current window. So a
champion that was retrained yesterday is not blamed for a drift that was already in its data, and
weekdays meet weekdays once a week has passed.

Events are read for a panel of at most `max_users` users, chosen by a seeded hash: what drifts is
seen with some thousand users, and memory stays flat while the table grows.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from pydantic import Field

from kinoloop.data.durations import with_durations
from kinoloop.data.evidence import evidence
from kinoloop.data.interest import IN_QUERY, Expressions, InterestConfig, weigh
from kinoloop.data.rating_scale import found_in
from kinoloop.data.tables import Tables
from kinoloop.settings import Config

DAY = timedelta(days=1)
KEPT = (
    *("user", "period", "video_id", "timestamp", "event", "watch_s", "watch_share", "value"),
    *("interest", "surface", "device", "category", "language", "duration_s"),
)


class WindowsConfig(Config):
    """Which days and whose events are compared."""

    days: int = Field(7, ge=1, description="Length of the current window, days; 7 evens weekdays.")
    reference_days: int = Field(28, ge=2, description="Reference: known to the champion, days.")
    max_users: int = Field(2000, ge=1, description="Size of the panel; more cost time, not truth.")


@dataclass(frozen=True)
class Span:
    """A half-open stretch of time, UTC."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M} – {self.end:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Windows:
    """Equal periods and the events in them.

    Attributes:
        periods: Oldest first; the last is the current window, the others are the reference.
        events: One row per event of the panel in one of the periods: `user` (UInt32 code, not an
            id), `period`, `video_id`, `timestamp`, `event`, `watch_s`, `watch_share`, `value`,
            `interest` (> 0 where the event shows some, as in training), `surface`, `device` and
            the `category`, `language`, `duration_s` of the video.
        videos: One row per video that was published in one of the periods: `period`, `category`,
            `language`, `duration_s`, `title`, `description`, `tags`, `media`.
    """

    periods: tuple[Span, ...]
    events: pl.DataFrame
    videos: pl.DataFrame

    @property
    def current(self) -> int:
        """Number of the current period."""
        return len(self.periods) - 1

    @property
    def reference_span(self) -> Span:
        """From the start of the oldest reference period to the end of the newest."""
        return Span(self.periods[0].start, self.periods[-2].end)


def plan(
    oldest: datetime, newest: datetime, config: WindowsConfig, *, known_until: datetime | None
) -> tuple[Span, ...]:
    """Lay out the periods.

    Args:
        oldest: Time of the oldest event.
        newest: Time of the newest event; "now" is when the data ends, not the clock.
        config: Lengths.
        known_until: Newest event that the champion was made with; None without a champion.

    Returns:
        Periods of equal length, the current one last; empty where less than one whole day is new
        or less than one reference period is there.
    """
    end = newest + timedelta(microseconds=1)
    fresh = config.days if known_until is None else (end - known_until) // DAY
    length = min(config.days, fresh) * DAY
    if length < DAY:
        return ()
    current = Span(end - length, end)
    known = current.start
    if known_until is not None:
        known = min(known, known_until + timedelta(microseconds=1))
    fitting = min(config.reference_days * DAY, known - oldest) // length
    past = [Span(known - (i + 1) * length, known - i * length) for i in range(fitting)]
    return (*reversed(past), current) if past else ()


def load_windows(
    tables: Tables,
    config: WindowsConfig,
    *,
    interest: InterestConfig,
    known_until: datetime | None = None,
    seed: int = 0,
) -> Windows | None:
    """Read the events and videos of both windows.

    Args:
        tables: Tables `events`, `videos` and `media` are read.
        config: Which days and whose events.
        interest: How events weigh.
        known_until: Newest event that the champion was made with; None without a champion.
        seed: Of the panel.

    Returns:
        The windows, or None where there is nothing to compare (see `plan`).
    """
    oldest, newest = _limits(tables)
    if oldest is None or newest is None:
        return None
    periods = plan(oldest, newest, config, known_until=known_until)
    if not periods:
        return None
    return Windows(
        periods=periods,
        events=_events(tables, periods, (config.max_users, seed), interest),
        videos=_videos(tables, periods),
    )


def why_nothing(
    tables: Tables, config: WindowsConfig, *, known_until: datetime | None = None
) -> str:
    """Why `load_windows` gave None: the days there are, the days needed and the next step.

    Returns:
        A part of a sentence.
    """
    oldest, newest = _limits(tables)
    if oldest is None or newest is None:
        return "there are no events; next: kinoloop ingest"
    there = f"the events span {(newest - oldest) / DAY:.1f} days, {Span(oldest, newest)} UTC"
    if known_until is not None and newest - known_until < DAY:
        return (
            f"less than a day of events is new: {there}, and the champion knows them until "
            f"{known_until:%Y-%m-%d %H:%M} UTC; at least 1 day after that is needed; "
            "next: kinoloop ingest, when newer days have landed"
        )
    fresh = config.days if known_until is None else (newest - known_until) // DAY
    days = min(config.days, fresh)
    since = min(newest - days * DAY, known_until or newest) - days * DAY
    return (
        f"nothing lies before the newest {days} days: {there}; events since "
        f"{since:%Y-%m-%d %H:%M} UTC are needed, as many days before; next: kinoloop ingest of "
        f"older events, or lower [drift] days = {config.days}"
    )


def _limits(tables: Tables) -> tuple[datetime | None, datetime | None]:
    """Find the times of the oldest and the newest event; None where there are none."""
    found = tables.scan("events").select(
        oldest=pl.col("timestamp").min(), newest=pl.col("timestamp").max()
    )
    oldest, newest = found.collect().row(0)
    return oldest, newest


def number_of(column: str, periods: tuple[Span, ...]) -> pl.Expr:
    """Return the number of the period that a time lies in; null between and outside the periods."""
    number = pl.lit(None, dtype=pl.Int64)
    for i, span in enumerate(periods):
        inside = pl.col(column).is_between(span.start, span.end, closed="left")
        number = pl.when(inside).then(pl.lit(i, dtype=pl.Int64)).otherwise(number)
    return number


def says(interest: InterestConfig) -> list[pl.Expr]:
    """Columns `watch_share` and `interest` of events that carry `duration_s`.

    Args:
        interest: How events weigh, on a scale.
    """
    weighed = weigh(IN_QUERY, interest, Expressions())
    return [weighed.watch_share.alias("watch_share"), weighed.signal.alias("interest")]


def _events(
    tables: Tables, periods: tuple[Span, ...], panel: tuple[int, int], interest: InterestConfig
) -> pl.DataFrame:
    max_users, seed = panel
    first, last = periods[0].start.date(), periods[-1].end.date()
    events = (
        evidence(tables)
        .filter(pl.col("date").is_between(first, last))
        .with_columns(period=number_of("timestamp", periods))
        .filter(pl.col("period").is_not_null())
    )
    users = events.select(pl.col("user_id").unique()).collect().get_column("user_id")
    chosen = users.gather(users.hash(seed=seed).arg_sort()[:max_users]).sort()
    codes = pl.LazyFrame(
        {"user_id": chosen, "user": pl.int_range(len(chosen), dtype=pl.UInt32, eager=True)}
    )
    columns = ("video_id", "category", "language", "duration_s")
    videos = with_durations(tables.scan("videos").select(columns), tables)
    return (
        events.join(codes, on="user_id")
        .join(videos, on="video_id", how="left")
        .with_columns(says(interest.on_scale(found_in(tables.scan("events")))))
        .select(*KEPT)
        .sort("user", "timestamp", "video_id", "event")  # joins may reorder; samples must not
        .collect()
    )


def _videos(tables: Tables, periods: tuple[Span, ...]) -> pl.DataFrame:
    columns = ("category", "language", "duration_s", "title", "description", "tags", "media")
    return (
        with_durations(tables.scan("videos"), tables)
        .with_columns(period=number_of("published_at", periods))
        .filter(pl.col("period").is_not_null())
        .select("period", "video_id", *columns)
        .sort("video_id")
        .collect()
    )
