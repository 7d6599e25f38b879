"""The rules of ingestion, each written once: name, column, reason, Polars mask and expectation.

The Polars expression makes the row mask that quarantines; the expectation is what Great
Expectations reports for the same rule. Where Great Expectations has a fitting expectation it checks
the data by itself (and a test compares its counts with the mask); a rule that needs more than one
column is handed to it as its mask, `breaks_<rule>`, which must be False in every row.
"""

import polars as pl

from kinoloop.errors import ConfigError
from kinoloop.ingestion.event_rules import EVENT_RULES, UNKNOWN_VIDEO
from kinoloop.ingestion.rule import Expectation, IngestConfig, Limits, Rule
from kinoloop.ingestion.video_rules import VIDEO_RULES


def rules_of(kind: str, config: IngestConfig) -> list[Rule]:
    """Return the rules in force for `videos` or `events`.

    Raises:
        ConfigError: The settings name a rule that does not exist.
    """
    known = sorted(rule.name for rule in RULES)
    for name in config.rules:
        if name not in known:
            raise ConfigError(
                f"[ingest] rules: no rule is called {name!r}; there are {', '.join(known)}"
            )
    for name, severity in config.rules.items():
        if severity == "hold" and name != UNKNOWN_VIDEO:
            raise ConfigError(
                f"[ingest] rules: {name} cannot hold a row; only {UNKNOWN_VIDEO} can, until the "
                "video is known; take quarantine, warn or off"
            )
    return [rule for rule in RULES if rule.kind == kind and config.severity(rule) != "off"]


def masks(kind: str, limits: Limits) -> list[pl.Expr]:
    """One boolean column `breaks_<rule>` for each rule in force."""
    return [
        rule.breaks(limits).fill_null(value=False).alias(rule.flag)
        for rule in rules_of(kind, limits.config)
    ]


def judged(frame: pl.DataFrame, kind: str, limits: Limits) -> pl.DataFrame:
    """Rows with the verdict on them: one `breaks_<rule>` per rule in force, and `reasons`.

    Args:
        frame: As `conform` gives it; events with `known` and `known_duration_s` of their video,
            and `known_label`.
        kind: `videos` or `events`.
        limits: Settings and the present time.
    """
    frame = frame.with_columns(masks(kind, limits))
    return frame.with_columns(reasons=reasons(kind, limits.config))


def reasons(kind: str, config: IngestConfig) -> pl.Expr:
    """Names of the quarantining rules that a row breaks, from its masks: `List(String)`."""
    named = [
        pl.when(pl.col(rule.flag)).then(pl.lit(rule.name))
        for rule in rules_of(kind, config)
        if config.severity(rule) == "quarantine"
    ]
    return pl.concat_list(named or [pl.lit(None, pl.String)]).list.drop_nulls()


VOLUME_RULES: tuple[Rule, ...] = (
    Rule(
        name="volume_collapsed",
        kind="volume",
        column="share_of_mean",
        reason="the folder brought far fewer rows than its recent batches",
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
        reason="the folder brought fewer rows than its recent batches",
        severity="warn",
        breaks=lambda limits: pl.col("share_of_mean") < limits.config.volume_warn_share,
        expectation=Expectation(
            "expect_column_values_to_be_between",
            lambda limits: {"min_value": limits.config.volume_warn_share},
        ),
    ),
)

RULES: tuple[Rule, ...] = (*VIDEO_RULES, *EVENT_RULES, *VOLUME_RULES)
"""Every rule that looks at rows; missing columns and types are checked in `conform`."""
