"""Commit a staged batch whole or not at all, across the tables videos, events, quarantine, batches.

Delta commits are atomic for one table, not for four. So a journal with the versions before is
written first; each table then gets one Delta commit; the ledger `batches` comes last and is what
makes the batch count. Whoever takes the lock next finds a journal that a killed writer left: if the
ledger has the batch, the work was done; if not, each table goes back to its version and the files
of the batch are removed. Lock, journal and staging live beside the data directory (`.data.ingest/`)
so that DVC does not pin them, on the same filesystem so that publishing is a rename.
"""

import json
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import deltalake
import polars as pl
from deltalake.transaction import AddAction, RemoveAction
from filelock import FileLock, Timeout

from kinoloop import durable
from kinoloop.data.batch import Staged, check_balance
from kinoloop.data.deduplicate import shards_of
from kinoloop.data.key import remember_key
from kinoloop.data.tables import Tables
from kinoloop.errors import DataError
from kinoloop.schema import BATCHES, TABLES

logger = logging.getLogger(__name__)

COMMITTED = ("videos", "events", "quarantine", "batches")
"""Tables of one batch, in the order of their commits; the last one makes it count."""

PARTITIONS = {"events": ["date"]}
LOCK_TIMEOUT_S = 600.0


def workspace(tables: Tables) -> Path:
    """Directory beside the data directory for lock, journal and staging."""
    root = tables.root.resolve()
    return root.with_name(f".{root.name}.ingest")


def unversioned(tables: Tables) -> Path:
    """A file that is there while committed batches wait for their dataset version."""
    return workspace(tables) / "unversioned"


@contextmanager
def exclusive(tables: Tables, *, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Be the only writer of the ingested tables; undo first what a killed writer left half done.

    The lock is the operating system's and dies with its owner.

    Args:
        tables: The tables to write.
        timeout_s: How long to wait for another writer.

    Raises:
        DataError: Another writer holds the lock for longer than that.
    """
    place = workspace(tables)
    place.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place / "lock", timeout=timeout_s):
            recover(tables)
            yield
    except Timeout as err:
        raise DataError(
            f"another ingest has been writing to {tables.root} for {timeout_s:.0f} s "
            f"(lock {place / 'lock'}); run again when it has finished"
        ) from err


def recover(tables: Tables) -> str | None:
    """Undo a commit that was interrupted, and sweep leftovers of staging; call with the lock held.

    Returns:
        The batch that was undone, None where there was nothing to undo.
    """
    place = workspace(tables)
    journal = place / "journal.json"
    undone = None
    if journal.exists():
        found = json.loads(journal.read_text(encoding="utf-8"))
        batch_id: str = found["batch_id"]
        if not _has_batch(tables, batch_id):
            for name in reversed(COMMITTED):
                _undo(tables, name, version=found["versions"][name], batch_id=batch_id)
            undone = batch_id
            logger.warning("batch %s was interrupted while committing: undone", batch_id)
        journal.unlink()
    shutil.rmtree(place / "staging", ignore_errors=True)
    return undone


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
    if _has_batch(tables, staged.batch_id):
        shutil.rmtree(staged.directory, ignore_errors=True)
        return False
    check_balance(staged.files)
    for name, version in staged.against.items():
        if tables.version(name) != version:
            raise DataError(
                f"table {name} is at version {tables.version(name)}, but the batch was staged "
                f"against {version}: somebody wrote meanwhile. Nothing was changed; run it again"
            )
    for name in COMMITTED:
        _create(tables, name)
    remember_key(tables, staged.key_id)
    journal = workspace(tables) / "journal.json"
    versions = {name: tables.version(name) for name in COMMITTED}
    durable.write_json(journal, {"batch_id": staged.batch_id, "versions": versions})
    for name in COMMITTED:
        _publish(staged, tables, name, now=now)
    unversioned(tables).touch()
    journal.unlink()
    shutil.rmtree(staged.directory, ignore_errors=True)
    logger.info("batch %s committed: %d rows", staged.batch_id, staged.total("accepted"))
    return True


def _publish(staged: Staged, tables: Tables, name: str, *, now: datetime) -> None:
    """One table's part of the batch, as one Delta commit."""
    if name == "batches":
        ledger = _ledger(staged, now)
        deltalake.write_deltalake(str(tables.path(name)), ledger.to_arrow(), mode="append")
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
            actions, mode="append", schema=table.schema(), partition_by=PARTITIONS.get(name)
        )


def _merge_videos(staged: Staged, tables: Tables) -> None:
    """Insert new videos and replace known ones in one Delta commit."""
    shards = [*shards_of(staged.directory, "videos"), *shards_of(staged.directory, "replaced")]
    rows = pl.scan_parquet(shards).collect().to_arrow()
    table = deltalake.DeltaTable(str(tables.path("videos")))
    (
        table.merge(rows, "old.video_id = new.video_id", source_alias="new", target_alias="old")
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
                    }
                ),
            }
            for file in staged.files
        ],
        schema=BATCHES,
    )


def _add_action(path: Path, relative: str) -> AddAction:
    """What the Delta log says of one file."""
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
    """Create an empty table where there is none, so that every commit has a version before it."""
    if tables.exists(name):
        return
    schema = pl.DataFrame(schema=TABLES[name]).to_arrow().schema
    deltalake.DeltaTable.create(
        str(tables.path(name)),
        schema=deltalake.Schema.from_arrow(schema),
        partition_by=PARTITIONS.get(name),
        mode="ignore",
    )


def _has_batch(tables: Tables, batch_id: str) -> bool:
    mine = tables.scan("batches").filter(pl.col("batch_id") == batch_id)
    return bool(mine.select(pl.len()).collect().item())


def _undo(tables: Tables, name: str, *, version: int, batch_id: str) -> None:
    """Bring a table back to `version`; where somebody appended since, take out only the batch."""
    table = deltalake.DeltaTable(str(tables.path(name)))
    if table.version() == version + 1:
        table.restore(version)
    elif table.version() > version and name != "videos":
        table.delete(f"batch_id = '{batch_id}'")
    elif table.version() > version:
        raise DataError(
            f"table {name} went from version {version} to {table.version()} while the commit of "
            f"batch {batch_id} was interrupted. Restore it: DeltaTable.restore({version})"
        )
    for orphan in tables.path(name).rglob(f"{batch_id}-*.parquet"):
        orphan.unlink()
