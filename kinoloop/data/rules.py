"""The rules of ingestion, each written once: name, column, reason, Polars mask and expectation.

The Polars expression makes the row mask that quarantines; the expectation is what Great
Expectations reports for the same rule. Where Great Expectations has a fitting expectation it checks
the data by itself (and a test compares its counts with the mask); a rule that needs more than one
column is handed to it as its mask, `breaks_<rule>`, which must be False in every row.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl

from kinoloop.data.conform import parsed_columns
from kinoloop.data.rule import Expectation, IngestConfig, Limits, Rule, Severity
from kinoloop.errors import ConfigError
from kinoloop.schema import EVENT_KINDS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rules_of(kind: str, config: IngestConfig) -> list[Rule]:
    """The rules in force for `videos` or `events`.

    Raises:
        ConfigError: The settings name a rule that does not exist.
    """
    known = sorted(rule.name for rule in RULES)
    for name in config.rules:
        if name not in known:
            raise ConfigError(
                f"[ingest] rules: no rule is called {name!r}; there are {', '.join(known)}"
            )
    return [rule for rule in RULES if rule.kind == kind and config.severity(rule) != "off"]


def masks(kind: str, limits: Limits) -> list[pl.Expr]:
    """One boolean column `breaks_<rule>` for each rule in force."""
    return [
        rule.breaks(limits).fill_null(value=False).alias(rule.flag)
        for rule in rules_of(kind, limits.config)
    ]


def reasons(kind: str, config: IngestConfig) -> pl.Expr:
    """Names of the quarantining rules that a row breaks, from its masks: `List(String)`."""
    named = [
        pl.when(pl.col(rule.flag)).then(pl.lit(rule.name))
        for rule in rules_of(kind, config)
        if config.severity(rule) == "quarantine"
    ]
    return pl.concat_list(named or [pl.lit(None, pl.String)]).list.drop_nulls()


_NOT_NULL = Expectation("expect_column_values_to_not_be_null")
_positive = pl.col("duration_s") > 0
_duration = pl.when(_positive).then("duration_s").otherwise("known_duration_s")
_watched = pl.when(pl.col("watch_s").is_finite()).then("watch_s")
_offset = pl.when(pl.col("utc_offset_h").is_between(-24, 24)).then("utc_offset_h")
_local = pl.col("timestamp") + pl.duration(minutes=(_offset * 60).cast(pl.Int64))


def _missing(name: str, kind: str, column: str, severity: Severity = "quarantine") -> Rule:
    def breaks(_: Limits) -> pl.Expr:
        return pl.col(column).is_null() & ~pl.col(f"unreadable_{column}")

    def breaks_text(_: Limits) -> pl.Expr:
        return pl.col(column).is_null()

    typed = column in parsed_columns(kind)
    return Rule(
        name=name,
        kind=kind,
        column=column,
        reason=f"{column} is empty",
        severity=severity,
        breaks=breaks if typed else breaks_text,
        expectation=None if typed else _NOT_NULL,
    )


def _unreadable(kind: str, column: str) -> Rule:
    optional = column in {"logged_date", "logged_hour", "utc_offset_h"}
    return Rule(
        name=f"{kind[:-1]}_{column}_unreadable",
        kind=kind,
        column=column,
        reason=f"{column} is text that can not be read as its type",
        severity="warn" if optional else "quarantine",
        breaks=lambda _: pl.col(f"unreadable_{column}"),
    )


def _outside(rule: str, column: str, low: float, high: Callable[[Limits], float | None]) -> Rule:
    def breaks(limits: Limits) -> pl.Expr:
        top = high(limits)
        inside = pl.col(column).is_finite() & (pl.col(column) >= low)
        return ~(inside if top is None else inside & (pl.col(column) <= top))

    return Rule(
        name=rule,
        kind="events",
        column=column,
        reason=f"{column} is negative, infinite or implausibly large",
        severity="quarantine",
        breaks=breaks,
        expectation=Expectation(
            "expect_column_values_to_be_between",
            lambda limits: {"min_value": low, "max_value": high(limits)},
        ),
    )


RULES: tuple[Rule, ...] = (
    _missing("video_id_missing", "videos", "video_id"),
    _missing("video_title_missing", "videos", "title", "warn"),
    *(_unreadable("videos", column) for column in parsed_columns("videos")),
    Rule(
        name="video_duration_not_positive",
        kind="videos",
        column="duration_s",
        reason="duration_s is zero, negative or not finite; it is stored as unknown",
        severity="warn",
        breaks=lambda _: ~(_positive & pl.col("duration_s").is_finite()),
        expectation=Expectation(
            "expect_column_values_to_be_between",
            lambda _: {"min_value": 0, "strict_min": True, "max_value": 1e300},
        ),
    ),
    Rule(
        name="video_published_before_epoch",
        kind="videos",
        column="published_at",
        reason="published_at lies before 1970",
        severity="warn",
        breaks=lambda _: pl.col("published_at") < EPOCH,
        expectation=Expectation(
            "expect_column_values_to_be_between", lambda _: {"min_value": EPOCH}
        ),
    ),
    Rule(
        name="video_published_in_future",
        kind="videos",
        column="published_at",
        reason="published_at lies in the future (a planned release?)",
        severity="warn",
        breaks=lambda limits: pl.col("published_at") > limits.latest,
        expectation=Expectation(
            "expect_column_values_to_be_between", lambda limits: {"max_value": limits.latest}
        ),
    ),
    Rule(
        name="video_id_conflict",
        kind="videos",
        column="video_id",
        reason="the same file has another row with this video_id; the first is kept",
        severity="quarantine",
        breaks=lambda _: pl.col("conflict"),
    ),
    _missing("event_user_missing", "events", "user_id"),
    Rule(
        name="event_video_missing",
        kind="events",
        column="video_id",
        reason="video_id is empty (only a search may be without)",
        severity="quarantine",
        breaks=lambda _: pl.col("video_id").is_null() & pl.col("event").ne_missing("search"),
    ),
    _missing("event_timestamp_missing", "events", "timestamp"),
    _missing("event_kind_missing", "events", "event"),
    *(_unreadable("events", column) for column in parsed_columns("events")),
    Rule(
        name="event_kind_unknown",
        kind="events",
        column="event",
        reason=f"event is none of {', '.join(EVENT_KINDS)}",
        severity="quarantine",
        breaks=lambda _: ~pl.col("event").is_in(EVENT_KINDS),
        expectation=Expectation(
            "expect_column_values_to_be_in_set", lambda _: {"value_set": list(EVENT_KINDS)}
        ),
    ),
    Rule(
        name="event_video_unknown",
        kind="events",
        column="video_id",
        reason="no video of this video_id is in the tables or in this batch",
        severity="quarantine",
        breaks=lambda _: pl.col("video_id").is_not_null() & ~pl.col("known"),
    ),
    Rule(
        name="event_before_epoch",
        kind="events",
        column="timestamp",
        reason="timestamp lies before 1970",
        severity="quarantine",
        breaks=lambda _: pl.col("timestamp") < EPOCH,
        expectation=Expectation(
            "expect_column_values_to_be_between", lambda _: {"min_value": EPOCH}
        ),
    ),
    Rule(
        name="event_in_future",
        kind="events",
        column="timestamp",
        reason="timestamp lies in the future",
        severity="quarantine",
        breaks=lambda limits: pl.col("timestamp") > limits.latest,
        expectation=Expectation(
            "expect_column_values_to_be_between", lambda limits: {"max_value": limits.latest}
        ),
    ),
    _outside("event_watch_out_of_range", "watch_s", 0.0, lambda limits: limits.config.max_watch_s),
    Rule(
        name="event_value_not_finite",
        kind="events",
        column="value",
        reason="value is infinite or not a number",
        severity="quarantine",
        breaks=lambda _: ~pl.col("value").is_finite(),
    ),
    Rule(
        name="event_rating_without_value",
        kind="events",
        column="value",
        reason="a rating has no value",
        severity="quarantine",
        breaks=lambda _: (
            (pl.col("event") == "rating") & pl.col("value").is_null() & ~pl.col("unreadable_value")
        ),
    ),
    Rule(
        name="event_watch_far_over_duration",
        kind="events",
        column="watch_s",
        reason="watch_s is more durations of the video than `max_rewatches` allows",
        severity="quarantine",
        breaks=lambda limits: (
            (_duration > 0) & (_watched > _duration * limits.config.max_rewatches)
        ),
    ),
    Rule(
        name="event_watch_over_duration",
        kind="events",
        column="watch_s",
        reason="watch_s is longer than the video: a rewatch, or a wrong duration",
        severity="warn",
        breaks=lambda _: (_duration > 0) & (_watched > _duration),
    ),
    Rule(
        name="event_duration_not_positive",
        kind="events",
        column="duration_s",
        reason="the log states a duration of zero or less",
        severity="warn",
        breaks=lambda _: ~_positive,
        expectation=Expectation(
            "expect_column_values_to_be_between", lambda _: {"min_value": 0, "strict_min": True}
        ),
    ),
    Rule(
        name="event_view_without_watch",
        kind="events",
        column="watch_s",
        reason="a view has a watch time of zero",
        severity="warn",
        breaks=lambda _: (pl.col("event") == "view") & (pl.col("watch_s") == 0),
    ),
    Rule(
        name="event_logged_date_disagrees",
        kind="events",
        column="logged_date",
        reason="the log's own date is not the day of timestamp in the log's time zone",
        severity="warn",
        breaks=lambda _: pl.col("logged_date") != _local.dt.date(),
    ),
    Rule(
        name="event_logged_hour_disagrees",
        kind="events",
        column="logged_hour",
        reason="the log's own hour is not the hour of timestamp in the log's time zone",
        severity="warn",
        breaks=lambda _: pl.col("logged_hour") != _local.dt.hour(),
    ),
    Rule(
        name="volume_collapsed",
        kind="volume",
        column="share_of_mean",
        reason="the folder brought far fewer rows than its batches of late",
        severity="refuse",
        breaks=lambda limits: pl.col("share_of_mean") < limits.config.volume_min_share,
        expectation=Expectation(
            "expect_column_values_to_be_between",
            lambda limits: {"min_value": limits.config.volume_min_share},
        ),
    ),
    Rule(
        name="volume_low",
        kind="volume",
        column="share_of_mean",
        reason="the folder brought fewer rows than its batches of late",
        severity="warn",
        breaks=lambda limits: pl.col("share_of_mean") < limits.config.volume_warn_share,
        expectation=Expectation(
            "expect_column_values_to_be_between",
            lambda limits: {"min_value": limits.config.volume_warn_share},
        ),
    ),
)
"""Every rule that looks at rows; missing columns and types are checked in `conform`."""
