"""Rules of a video's row."""

import polars as pl

from kinoloop.data.conform import parsed_columns
from kinoloop.data.rule import Expectation, Rule
from kinoloop.data.rule_kinds import before_epoch, in_future, missing, unreadable
from kinoloop.schema import MAX_ID_CHARACTERS

VIDEO_RULES: tuple[Rule, ...] = (
    missing("video_id_missing", "videos", "video_id"),
    Rule(
        name="video_id_too_long",
        kind="videos",
        column="video_id",
        reason=f"video_id has more than {MAX_ID_CHARACTERS} characters",
        severity="quarantine",
        breaks=lambda _: pl.col("video_id").str.len_chars() > MAX_ID_CHARACTERS,
        expectation=Expectation(
            "expect_column_value_lengths_to_be_between",
            lambda _: {"max_value": MAX_ID_CHARACTERS},
        ),
    ),
    missing("video_title_missing", "videos", "title", "warn"),
    *(unreadable("videos", column) for column in parsed_columns("videos")),
    Rule(
        name="video_duration_not_positive",
        kind="videos",
        column="duration_s",
        reason="duration_s is zero, negative or not finite; it is stored as unknown",
        severity="warn",
        breaks=lambda _: ~((pl.col("duration_s") > 0) & pl.col("duration_s").is_finite()),
        expectation=Expectation(
            "expect_column_values_to_be_between",
            lambda _: {"min_value": 0, "strict_min": True, "max_value": 1e300},
        ),
    ),
    before_epoch("video_published_before_epoch", "videos", "published_at", "warn"),
    in_future(
        "video_published_in_future", "videos", "published_at", "warn", maybe=" (a planned release?)"
    ),
    Rule(
        name="video_id_conflict",
        kind="videos",
        column="video_id",
        reason="the same file has another row with this video_id; the first is kept",
        severity="quarantine",
        breaks=lambda _: pl.col("conflict"),
    ),
)
