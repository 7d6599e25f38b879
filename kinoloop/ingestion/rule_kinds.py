"""Rules that several columns share: missing, unreadable, out of range, at an impossible time."""

from collections.abc import Callable

import polars as pl

from kinoloop.ingestion.conform import parsed_columns
from kinoloop.ingestion.rule import EPOCH, Expectation, Limits, Rule, Severity

_NOT_NULL = Expectation("expect_column_values_to_not_be_null")


def missing(name: str, kind: str, column: str, severity: Severity = "quarantine") -> Rule:
    """Make the rule that a row has the column."""

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


def unreadable(kind: str, column: str) -> Rule:
    """Text in the column that cannot be read as its type."""
    optional = column in {"logged_date", "logged_hour", "utc_offset_h"}
    return Rule(
        name=f"{kind[:-1]}_{column}_unreadable",
        kind=kind,
        column=column,
        reason=f"{column} is text that cannot be read as its type",
        severity="warn" if optional else "quarantine",
        breaks=lambda _: pl.col(f"unreadable_{column}"),
    )


_UNPRINTABLE = r"[\p{Cc}\p{Zl}\p{Zp}]|^[\p{Z}\p{Cf}]+$"
UNPRINTABLE_WHY = "has a line break or another control character, or nothing that can be seen"


def is_unprintable(column: str) -> pl.Expr:
    """Whether an id has control characters, or only blanks and characters without a shape.

    No address of the service can name such an id, and nobody can tell it from another.
    """
    return pl.col(column).str.contains(_UNPRINTABLE)


def before_epoch(name: str, kind: str, column: str, severity: Severity) -> Rule:
    """Make the rule against times before 1970."""
    return Rule(
        name=name,
        kind=kind,
        column=column,
        reason=f"{column} lies before 1970",
        severity=severity,
        breaks=lambda _: pl.col(column) < EPOCH,
        expectation=Expectation(
            "expect_column_values_to_be_between", lambda _: {"min_value": EPOCH}
        ),
    )


def in_future(name: str, kind: str, column: str, severity: Severity, *, maybe: str = "") -> Rule:
    """Make the rule against times too far ahead; `maybe` says what else such a time could be."""
    return Rule(
        name=name,
        kind=kind,
        column=column,
        reason=f"{column} lies in the future{maybe}",
        severity=severity,
        breaks=lambda limits: pl.col(column) > limits.latest,
        expectation=Expectation(
            "expect_column_values_to_be_between", lambda limits: {"max_value": limits.latest}
        ),
    )


def outside(rule: str, column: str, low: float, high: Callable[[Limits], float | None]) -> Rule:
    """Make the rule against numbers below `low`, over `high` (where it gives one) or not finite."""

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
