"""What a rule of ingestion is, and the settings that rules and staging read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import polars as pl
from pydantic import Field

from kinoloop.settings import Config

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Severity = Literal["quarantine", "hold", "warn", "refuse", "off"]


class IngestConfig(Config):
    """How strictly ingestion reads, section `ingest`."""

    chunk_rows: int = Field(500_000, ge=1, description="Rows held at once.")
    future_tolerance_s: float = Field(3600.0, ge=0, description="How far a clock may be ahead.")
    max_watch_s: float = Field(86_400.0, gt=0, description="Longest watch time of one event.")
    max_rewatches: float = Field(
        20.0, ge=1, description="Over so many durations: quarantined; over one: a warning."
    )
    max_unreadable_share: float = Field(
        0.5, gt=0, le=1, description="More unreadable text than this: the column's type is wrong."
    )
    max_quarantined_share: float = Field(
        0.5, gt=0, le=1, description="A file that loses more rows than that is set aside."
    )
    quarantined_share_min_rows: int = Field(
        100, ge=1, description="Files with fewer rows are not judged by that share."
    )
    volume_batches: int = Field(7, ge=1, description="Batches in the trailing mean of a folder.")
    volume_min_batches: int = Field(3, ge=1, description="With fewer there is no mean to judge by.")
    volume_min_mean: float = Field(1000.0, ge=0, description="Smaller means are noise, not volume.")
    volume_min_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="A batch below this share of the mean is a collapse: set aside.",
    )
    volume_warn_share: float = Field(
        0.5, ge=0, le=1, description="A batch below this share of the mean is warned of."
    )
    whole: tuple[str, ...] = Field(
        (), description="Sources (folders or patterns) of which all new files commit, or none."
    )
    row_by_row: tuple[str, ...] = Field(
        ("events/feedback", "events/impressions"),
        description="Sources that no share of bad rows or volume holds up.",
    )
    hold_days: float = Field(
        30.0, gt=0, description="Events of a video that stays unknown are quarantined then, days."
    )
    watch_s: float = Field(
        5.0, ge=0, description="`kinoloop up` looks for new files of videos so often; 0: never, s."
    )
    rules: dict[str, Severity] = Field(
        default_factory=dict,
        description="Other severity of single rules: quarantine, warn or off; hold for unknown "
        "videos.",
    )

    def severity(self, rule: "Rule") -> Severity:
        """Decide what happens to a row that breaks the rule."""
        return self.rules.get(rule.name, rule.severity)


@dataclass(frozen=True)
class Limits:
    """What masks and expectations compare with."""

    config: IngestConfig
    now: datetime

    @property
    def latest(self) -> datetime:
        """A timestamp after this is in the future."""
        return self.now + timedelta(seconds=self.config.future_tolerance_s)


@dataclass(frozen=True)
class Expectation:
    """An expectation of Great Expectations by its type, for `Rule.column`."""

    type: str
    arguments: Callable[[Limits], dict[str, Any]] = lambda _: {}


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: Unique; what reports, settings and quarantined rows call it.
        kind: `videos`, `events` or `volume` (one row per folder).
        column: The column that it is about.
        reason: What is wrong with a row that breaks it, for people.
        severity: `quarantine`, `warn`, `hold` (in the tables until the video is known, see
            `kinoloop.ingestion.held`) or `refuse` (the files of a folder); settings may differ.
        breaks: Mask of the rows that break it; null counts as False.
        expectation: What checks it in Great Expectations; None: the mask itself.
    """

    name: str
    kind: str
    column: str
    reason: str
    severity: Severity
    breaks: Callable[[Limits], pl.Expr]
    expectation: Expectation | None = None

    @property
    def flag(self) -> str:
        """Name of the mask's column."""
        return f"breaks_{self.name}"

    @property
    def checked(self) -> tuple[str, Expectation]:
        """The column that Great Expectations checks and what it expects there."""
        if self.expectation is not None:
            return self.column, self.expectation
        in_set = "expect_column_values_to_be_in_set"
        return self.flag, Expectation(in_set, lambda _: {"value_set": [False]})
