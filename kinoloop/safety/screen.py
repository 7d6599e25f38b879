"""Screen the catalogue: score it, and log what follows from the scores under the settings of today.

Scores are kept apart from what follows from them, so that another level in the settings takes
effect with the next extraction, and costs no model. Only a change is logged.
"""

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deltalake
import polars as pl

from kinoloop.data.moderation import standing
from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.errors import ConfigError
from kinoloop.safety.config import OUTCOMES, Outcome, SafetyConfig
from kinoloop.safety.scoring import PICTURES, score_missing
from kinoloop.safety.words import SHIPPED, read_lines
from kinoloop.schema import MODERATION

logger = logging.getLogger(__name__)

Row = dict[str, Any]
NOTHING: Row = {"kind": "", "score": None, "source": "", "evidence": "", "start_s": None}


@dataclass
class SafetyReport:
    """What one screening did.

    Attributes:
        videos: In the catalogue.
        scored: Now.
        changed: Videos by what became of them now, of those whose outcome changed.
        standing: Videos by outcome, of those that are not simply shown; decisions of people count.
        decided: Videos of which a person's decision holds.
        seconds: It took.
    """

    videos: int = 0
    scored: int = 0
    changed: dict[str, int] = field(default_factory=dict)
    standing: dict[str, int] = field(default_factory=dict)
    decided: int = 0
    seconds: float = 0.0


def screen(tables: Tables, config: SafetyConfig) -> SafetyReport:
    """Bring the tables `safety` and `moderation` up to date.

    Args:
        tables: The data directory, extracted.
        config: What is scored, and what follows.

    Returns:
        What was done.

    Raises:
        ConfigError: The lines cannot be read, or have a kind without levels.
    """
    started = time.monotonic()
    lines = read_lines(Path(config.lines) if config.lines else SHIPPED)
    without = sorted({*lines.kinds, PICTURES} - set(config.levels))
    if without:
        raise ConfigError(
            f"[safety.levels] has no {without[0]}; name it, such as {without[0]} = "
            "{ mark = 0.4, wait = 0.7 }, or { } for nothing"
        )
    scored = score_missing(tables, config, lines)
    with exclusive(tables, timeout_s=WRITER_WAIT_S):
        rows = _changes(tables, config)
        if len(rows):
            log(tables, rows)
    holds = standing(tables).collect()
    counts = holds.filter(pl.col("outcome") != "shown")["outcome"].value_counts()
    report = SafetyReport(
        videos=tables.scan("videos").select(pl.len()).collect().item(),
        scored=scored,
        changed=dict(rows["outcome"].value_counts().sort("outcome").iter_rows()),
        standing=dict(counts.sort("outcome").iter_rows()),
        decided=holds.filter(pl.col("by") != "").height,
        seconds=round(time.monotonic() - started, 2),
    )
    logger.info("%d videos scored for harm; %s", scored, report.standing or "nothing is withheld")
    return report


def log(tables: Tables, rows: pl.DataFrame) -> None:
    """Add rows to the table `moderation`; the writers' lock is held."""
    path = str(tables.path("moderation"))
    frame = rows.select(*MODERATION)
    deltalake.write_deltalake(path, frame, mode="append", schema_mode="merge")


def _changes(tables: Tables, config: SafetyConfig) -> pl.DataFrame:
    """Outcomes of the scores that differ from the last ones, as rows of `moderation`."""
    entries = (
        tables.scan("videos")
        .select("video_id")
        .join(tables.scan("safety").select("video_id", "scores"), on="video_id", how="left")
    )
    twins = _twins_of_rejected(tables)
    last = dict(
        tables.scan("moderation")
        .filter(pl.col("by") == "")
        .sort("at")
        .unique("video_id", keep="last")
        .select("video_id", "outcome")
        .collect()
        .iter_rows()
    )
    rows = []
    for video_id, scores in entries.collect().iter_rows():
        outcome, entry = _outcome(scores or (), config)
        rejected = twins.get(video_id)
        if rejected is not None and outcome in {"shown", "marked"}:
            evidence = f"shows the same as {rejected}, which a person rejected"
            outcome, entry = "waiting", {**NOTHING, "source": "twin", "evidence": evidence}
        if outcome != last.get(video_id, "shown"):
            rows.append({"video_id": video_id, "outcome": outcome, **entry})
    stamped = {"at": datetime.now(UTC), "by": "", "why": ""}
    return pl.DataFrame([row | stamped for row in rows], schema=MODERATION)


def _outcome(scores: Any, config: SafetyConfig) -> tuple[Outcome, Row]:  # noqa: ANN401 (rows)
    """Say what the scores of a video lead to, and which one leads there."""
    worst: tuple[Outcome, Row] = ("shown", NOTHING)
    for entry in sorted(scores, key=lambda one: -one["score"]):
        outcome = config.levels[entry["kind"]].outcome(entry["score"])
        if entry["source"] == "comments" and outcome != "shown":
            outcome = "marked"
        if OUTCOMES.index(outcome) > OUTCOMES.index(worst[0]):
            worst = outcome, entry
    return worst


def _twins_of_rejected(tables: Tables) -> dict[str, str]:
    """Videos that show the same as one that a person rejected, with that one."""
    groups = tables.scan("duplicates").filter(pl.col("group_id").is_not_null())
    rejected = standing(tables).filter((pl.col("by") != "") & (pl.col("outcome") == "hidden"))
    theirs = groups.join(rejected, on="video_id", how="semi").select("group_id", of="video_id")
    pairs = groups.join(theirs, on="group_id").filter(pl.col("video_id") != pl.col("of"))
    return dict(pairs.select("video_id", "of").sort("of").collect().iter_rows())
