"""Volume: how many rows each folder of the landing zone brings, against its recent batches.

Folders are compared with themselves, since a trickle of feedback and a nightly export have nothing
in common. Files that are set aside for their folder's volume wait: the next run sees them again
together with what has arrived meanwhile.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.errors import BatchError
from kinoloop.ingestion.batch import FileCounts
from kinoloop.ingestion.rule import IngestConfig, Limits
from kinoloop.ingestion.rules import masks, rules_of
from kinoloop.ingestion.set_aside import source_of


def volumes(files: Sequence[FileCounts], tables: Tables, config: IngestConfig) -> pl.DataFrame:
    """Rows of each folder and their share of its trailing mean.

    Returns:
        `folder`, `rows`, `mean`, `share_of_mean`; the last two are null where the folder has too
        few batches behind it, or too small ones, to be held to anything.
    """
    judged = [f for f in files if not source_of(f.file, config.row_by_row)]
    now = pl.DataFrame(
        {"folder": [folder_of(f.file) for f in judged], "rows": [f.rows for f in judged]},
        schema={"folder": pl.String, "rows": pl.Int64},
    )
    ledger = tables.scan("batches").select("file", "batch_id", "rows", "committed_at").collect()
    batches = (
        ledger.with_columns(
            folder=pl.Series([folder_of(f) for f in ledger["file"]], dtype=pl.String)
        )
        .group_by("folder", "batch_id")
        .agg(pl.col("rows").sum(), pl.col("committed_at").max())
        .sort("committed_at", descending=True)
        .group_by("folder")
        .head(config.volume_batches)
    )
    means = batches.group_by("folder").agg(mean=pl.col("rows").mean(), batches=pl.len())
    held = (pl.col("batches") >= config.volume_min_batches) & (
        pl.col("mean") >= config.volume_min_mean
    )
    return (
        now.group_by("folder")
        .agg(pl.col("rows").sum())
        .join(means.filter(held), on="folder", how="left")
        .with_columns(share_of_mean=pl.col("rows") / pl.col("mean"))
        .select("folder", "rows", "mean", "share_of_mean")
        .sort("folder")
    )


def check_volume(frame: pl.DataFrame, limits: Limits) -> tuple[list[str], dict[str, BatchError]]:
    """Judge `volumes`.

    Returns:
        A warning for each folder that is well below its mean, and what is wrong with each that
        collapsed, by folder.
    """
    judged = frame.with_columns(masks("volume", limits))
    warnings: list[str] = []
    collapsed: dict[str, BatchError] = {}
    for rule in rules_of("volume", limits.config):
        for row in judged.filter(rule.flag).iter_rows(named=True):
            said = f"{row['folder']}/ brought {row['rows']} rows, {row['share_of_mean']:.0%} of "
            said += f"the mean of its last batches ({row['mean']:.0f})"
            if limits.config.severity(rule) == "refuse":
                collapsed[row["folder"]] = BatchError(
                    file=f"{row['folder']}/",
                    column="",
                    check=rule.name,
                    count=row["rows"],
                    hint=f"{said}. If so few are right, run `kinoloop ingest --any-volume`; "
                    "if not, land the rest and run it again.",
                )
            else:
                warnings.append(f"{rule.name}: {said}")
    return warnings, collapsed


def folder_of(file: str) -> str:
    """Return the folder of the landing zone that a file is in."""
    return str(PurePosixPath(file).parent)
