"""Rules of a video's row."""

import polars as pl

from kinoloop.ingestion.conform import parsed_columns
from kinoloop.ingestion.rule import Expectation, Limits, Rule
from kinoloop.ingestion.rule_kinds import (
    UNPRINTABLE_WHY,
    before_epoch,
    in_future,
    is_unprintable,
    missing,
    unreadable,
)
from kinoloop.privacy.addresses import QUERY_PATTERN, USER_PATTERN
from kinoloop.schema import MAX_ID_CHARACTERS

ADDRESSES = ("media", "subtitles")
"""Columns that name files or addresses."""


def with_credentials(column: str) -> pl.Expr:
    """Whether an address carries a password, a key or a signature."""
    user = pl.col(column).str.contains(USER_PATTERN)
    return (user | pl.col(column).str.contains(QUERY_PATTERN)).fill_null(value=False)


def _credentials(column: str) -> Rule:
    def breaks(_: Limits) -> pl.Expr:
        return with_credentials(column)

    return Rule(
        name=f"video_{column}_with_credentials",
        kind="videos",
        column=column,
        reason=f"{column} carries a password, key or signature; it is stored as unknown: name the "
        "plain address, and give access by the environment or the network",
        severity="warn",
        breaks=breaks,
    )


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
    Rule(
        name="video_id_unprintable",
        kind="videos",
        column="video_id",
        reason=f"video_id {UNPRINTABLE_WHY}",
        severity="quarantine",
        breaks=lambda _: is_unprintable("video_id"),
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
    *(_credentials(column) for column in ADDRESSES),
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
    Rule(
        name="video_id_decimal",
        kind="videos",
        column="video_id",
        reason="an id is a whole number written as 1.0 or 1E+5: another id than 1",
        severity="warn",
        breaks=lambda _: pl.col("decimal_id"),
    ),
)
