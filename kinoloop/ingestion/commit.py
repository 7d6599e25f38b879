"""Commit a staged batch whole or not at all, across the tables videos, events, quarantine, batches.

Delta commits are atomic for one table, not for four. So a journal with the versions before is
written first; each table then gets one Delta commit, which names the batch; the ledger `batches`
comes last and is what makes the batch count; all is flushed before the journal goes. Whoever takes
the writers' lock next finds a journal that a killed writer left: if the ledger has the batch, the
work was done; if not, what the batch committed is taken out of each table (`undo`). Journal and
staging live beside the data directory, on the same filesystem, so that publishing is a rename.
"""

import json
import logging
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import deltalake
import polars as pl
from deltalake.transaction import AddAction, RemoveAction

from kinoloop import durable
from kinoloop.data.key import remember_key
from kinoloop.data.tables import Tables
from kinoloop.data.undo import of_batch
from kinoloop.data.writers_lock import COMMITTED, JOURNAL, Journal, has_batch, seal_all
from kinoloop.errors import DataError
from kinoloop.ingestion.batch import Staged, check_balance
from kinoloop.ingestion.deduplicate import shards_of
from kinoloop.schema import BATCHES, TABLES

logger = logging.getLogger(__name__)

PARTITIONS = {"events": ["date"]}


def commit(staged: Staged, tables: Tables, *, now: datetime) -> bool:
    """Publish a staged batch; call within `exclusive`.

    Args:
        staged: What to publish; its staging directory is used up.
        tables: Where to.
        now: Time of the commit, for the ledger.

    Returns:
        False where the ledger has the batch already and nothing was changed.

    Raises:
        DataError: The counts do not add up, or the tables changed since the batch was staged.
    """
    if has_batch(tables, staged.batch_id):
        shutil.rmtree(staged.directory, ignore_errors=True)
        return False
    check_balance(staged.files)
    for name, version in staged.against.items():
        if tables.version(name) != version:
            raise DataError(
                f"table {name} is at version {tables.version(name)}, but the batch was staged "
                f"against {version}: another process wrote in the meantime. Nothing was "
                "changed; run it again"
            )
    for name in COMMITTED:
        _create(tables, name)
    remember_key(tables, staged.key_id)
    seal_all(tables)
    journal = Journal(
        batch_id=staged.batch_id, versions={name: tables.version(name) for name in COMMITTED}
    )
    durable.write_json(tables.workspace / JOURNAL, journal.model_dump())
    for name in COMMITTED:
        _publish(staged, tables, name, now=now)
    seal_all(tables)
    durable.remove(tables.workspace / JOURNAL)
    shutil.rmtree(staged.directory, ignore_errors=True)
    logger.info("batch %s committed: %d rows", staged.batch_id, staged.total("accepted"))
    return True


def _publish(staged: Staged, tables: Tables, name: str, *, now: datetime) -> None:
    """One table's part of the batch, as one Delta commit."""
    if name == "batches":
        ledger = _ledger(staged, now)
        deltalake.write_deltalake(
            str(tables.path(name)),
            ledger.to_arrow(),
            mode="append",
            commit_properties=of_batch(staged.batch_id),
        )
    elif name == "videos" and shards_of(staged.directory, "replaced"):
        _merge_videos(staged, tables)
    else:
        _append(staged, tables, name)


def _append(staged: Staged, tables: Tables, name: str) -> None:
    """Move shards into the table's directory and make all of them visible at once."""
    source = staged.directory / "publish" / name
    actions: list[AddAction | RemoveAction] = []
    for shard in shards_of(staged.directory, name):
        relative = shard.relative_to(source)
        target = tables.path(name) / relative
        durable.move(shard, target)
        actions.append(_add_action(target, str(relative)))
    if actions:
        table = deltalake.DeltaTable(str(tables.path(name)))
        table.create_write_transaction(
            actions,
            mode="append",
            schema=table.schema(),
            partition_by=PARTITIONS.get(name),
            commit_properties=of_batch(staged.batch_id),
        )


def _merge_videos(staged: Staged, tables: Tables) -> None:
    """Insert new videos and replace known ones in one Delta commit."""
    shards = [*shards_of(staged.directory, "videos"), *shards_of(staged.directory, "replaced")]
    rows = pl.scan_parquet(shards).collect().to_arrow()
    table = deltalake.DeltaTable(str(tables.path("videos")))
    (
        table.merge(
            rows,
            "old.video_id = new.video_id",
            source_alias="new",
            target_alias="old",
            commit_properties=of_batch(staged.batch_id),
        )
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )


def _ledger(staged: Staged, now: datetime) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "batch_id": staged.batch_id,
                "committed_at": now,
                **file.model_dump(
                    include={
                        "file",
                        "digest",
                        "kind",
                        "rows",
                        "accepted",
                        "quarantined",
                        "duplicates",
                        "held",
                        "landed_at",
                    }
                ),
            }
            for file in staged.files
        ],
        schema=BATCHES,
    )


def _add_action(path: Path, relative: str) -> AddAction:
    """Return what the Delta log says of one file."""
    folder = Path(relative).parent.name
    partition = {"date": folder.removeprefix("date=")} if folder.startswith("date=") else {}
    facts: dict[str, Any] = {"numRecords": pl.scan_parquet(path).select(pl.len()).collect().item()}
    return AddAction(
        relative,
        path.stat().st_size,
        partition,
        int(time.time() * 1000),
        data_change=True,
        stats=json.dumps(facts),
    )


def _create(tables: Tables, name: str) -> None:
    """Create an empty table where there is none, so that every commit has a version before it.

    A table of an older version gets the columns that came later.
    """
    schema = deltalake.Schema.from_arrow(pl.DataFrame(schema=TABLES[name]).to_arrow().schema)
    if tables.exists(name):
        table = deltalake.DeltaTable(str(tables.path(name)))
        there = {field.name for field in table.schema().fields}
        later = [field for field in schema.fields if field.name not in there]
        if later:
            table.alter.add_columns(later)
        return
    deltalake.DeltaTable.create(
        str(tables.path(name)),
        schema=schema,
        partition_by=PARTITIONS.get(name),
        mode="ignore",
    )
