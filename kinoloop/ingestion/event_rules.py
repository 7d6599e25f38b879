"""Rules of an event's row."""

import polars as pl

from kinoloop.data.situations import MAX_CONTEXT, MAX_CONTEXT_CHARACTERS, fits
from kinoloop.ingestion.conform import parsed_columns
from kinoloop.ingestion.rule import Expectation, Rule
from kinoloop.ingestion.rule_kinds import (
    UNPRINTABLE_WHY,
    before_epoch,
    in_future,
    is_unprintable,
    missing,
    outside,
    unreadable,
)
from kinoloop.schema import EVENT_KINDS, MAX_ID_CHARACTERS, VIDEOLESS_KINDS

UNKNOWN_VIDEO = "event_video_unknown"

_positive = pl.col("duration_s") > 0
DURATION = pl.when(_positive).then("duration_s").otherwise("known_duration_s")
_watched = pl.when(pl.col("watch_s").is_finite()).then("watch_s")
_offset = pl.when(pl.col("utc_offset_h").is_between(-24, 24)).then("utc_offset_h")
_local = pl.col("timestamp") + pl.duration(minutes=(_offset * 60).cast(pl.Int64))

RAW_USER = (
    pl.max_horizontal(
        pl.col(name).str.len_chars() > MAX_ID_CHARACTERS for name in ("user_id", "person_id")
    ).alias("long_user_id"),
    pl.max_horizontal(map(is_unprintable, ("user_id", "person_id"))).alias("unprintable_user_id"),
)
"""What the rules ask of raw ids of people; taken before they become pseudonyms."""

_kind = pl.col("event")
_answered = (_kind == "impression") & pl.col("request_id").is_not_null()
_refused_without_video = (_kind == "not_interested") & (
    pl.col("creator_id").is_not_null() | pl.col("label").is_not_null()
)
_may_lack_video = _kind.is_in([k for k in VIDEOLESS_KINDS if k != "not_interested"])

EVENT_RULES: tuple[Rule, ...] = (
    Rule(
        name="event_user_missing",
        kind="events",
        column="user_id",
        reason="user_id is empty (only an impression with a request_id may lack it)",
        severity="quarantine",
        breaks=lambda _: (
            pl.coalesce("user_id", "pseudonym").is_null() & ~_answered.fill_null(value=False)
        ),
    ),
    Rule(
        name="event_user_too_long",
        kind="events",
        column="user_id",
        reason=f"user_id or person_id has more than {MAX_ID_CHARACTERS} characters",
        severity="quarantine",
        breaks=lambda _: pl.col("long_user_id"),
    ),
    Rule(
        name="event_user_unprintable",
        kind="events",
        column="user_id",
        reason=f"user_id or person_id {UNPRINTABLE_WHY}",
        severity="quarantine",
        breaks=lambda _: pl.col("unprintable_user_id"),
    ),
    Rule(
        name="event_video_missing",
        kind="events",
        column="video_id",
        reason="video_id is empty (only a search, an undo by event_id, an identify and a "
        "not_interested with creator_id or label may lack it)",
        severity="quarantine",
        breaks=lambda _: (
            pl.col("video_id").is_null()
            & ~(_may_lack_video | _refused_without_video).fill_null(value=False)
        ),
    ),
    Rule(
        name="event_undo_of_nothing",
        kind="events",
        column="undoes",
        reason="an undo names neither an event_id nor, with a video_id, the kind of an event",
        severity="quarantine",
        breaks=lambda _: (
            (_kind == "undo")
            & (
                pl.col("undoes").is_null()
                | (pl.col("video_id").is_not_null() & ~pl.col("undoes").is_in(EVENT_KINDS))
            )
        ),
    ),
    Rule(
        name="event_identify_without_person",
        kind="events",
        column="person_id",
        reason="an identify has no person_id",
        severity="quarantine",
        breaks=lambda _: (_kind == "identify") & pl.col("person_id").is_null(),
    ),
    Rule(
        name="event_pseudonym_malformed",
        kind="events",
        column="pseudonym",
        reason="pseudonym is no pseudonym, 32 hex digits",
        severity="quarantine",
        breaks=lambda _: ~pl.col("pseudonym").str.contains("^[0-9a-f]{32}$"),
    ),
    Rule(
        name="event_position_negative",
        kind="events",
        column="position",
        reason="position is negative; the first place is 0",
        severity="quarantine",
        breaks=lambda _: pl.col("position") < 0,
    ),
    Rule(
        name="event_propensity_out_of_range",
        kind="events",
        column="propensity",
        reason="propensity is no chance: not more than 0 and at most 1",
        severity="quarantine",
        breaks=lambda _: ~((pl.col("propensity") > 0) & (pl.col("propensity") <= 1)),
    ),
    missing("event_timestamp_missing", "events", "timestamp"),
    missing("event_kind_missing", "events", "event"),
    *(unreadable("events", column) for column in parsed_columns("events")),
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
        name=UNKNOWN_VIDEO,
        kind="events",
        column="video_id",
        reason="no video of this video_id is in the tables or in this batch",
        severity="hold",
        breaks=lambda _: pl.col("video_id").is_not_null() & ~pl.col("known"),
    ),
    Rule(
        name="event_label_unknown",
        kind="events",
        column="label",
        reason="no video of the tables has this label, category or tag: nothing is hidden by it "
        "until one has",
        severity="warn",
        breaks=lambda _: (_kind == "not_interested") & ~pl.col("known_label"),
    ),
    before_epoch("event_before_epoch", "events", "timestamp", "quarantine"),
    in_future("event_in_future", "events", "timestamp", "quarantine"),
    outside("event_watch_out_of_range", "watch_s", 0.0, lambda limits: limits.config.max_watch_s),
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
        breaks=lambda limits: (DURATION > 0) & (_watched > DURATION * limits.config.max_rewatches),
    ),
    Rule(
        name="event_watch_over_duration",
        kind="events",
        column="watch_s",
        reason="watch_s is longer than the video: a rewatch, or a wrong duration",
        severity="warn",
        breaks=lambda _: (DURATION > 0) & (_watched > DURATION),
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
        name="event_context_unfit",
        kind="events",
        column="context",
        reason=f"context is no JSON object of at most {MAX_CONTEXT} plain values of at most "
        f"{MAX_CONTEXT_CHARACTERS} characters; what does not fit counts as not said",
        severity="warn",
        breaks=lambda _: ~pl.col("context").map_elements(fits, return_dtype=pl.Boolean),
    ),
    Rule(
        name="event_id_decimal",
        kind="events",
        column="user_id",
        reason="an id is a whole number written as 1.0 or 1E+5: another id than 1",
        severity="warn",
        breaks=lambda _: pl.col("decimal_id"),
    ),
)
