"""The writers' lock of the tables: one writer at a time, and nothing half done behind it.

Whoever takes the lock first undoes what a killed writer left: a journal with the versions before a
batch (`kinoloop.ingestion.commit`) whose batch the ledger does not have. What was committed under
the lock is flushed, with its checksums, before it is let go. Lock, journal and staging live beside
the data directory (`.data.ingest/`) so that DVC does not pin them.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ValidationError

from kinoloop import durable
from kinoloop.data.checksums import drop_torn, seal, unsealed
from kinoloop.data.tables import Tables
from kinoloop.data.undo import undo
from kinoloop.errors import DataError
from kinoloop.locks import held
from kinoloop.schema import TABLES

logger = logging.getLogger(__name__)

COMMITTED = ("videos", "events", "quarantine", "batches")
"""Tables of one batch, in the order of their commits; the last one makes it count."""

JOURNAL = "journal.json"
LOCK_TIMEOUT_S = 600.0
WRITER_WAIT_S = 3600.0
"""How long what has worked for hours waits for another writer before it gives up its work."""


class Journal(BaseModel):
    """What is about to be committed.

    Attributes:
        batch_id: The batch.
        versions: Of each table before it.
    """

    batch_id: str
    versions: dict[str, int]


def unversioned(tables: Tables) -> Path:
    """Return the file that is there while something committed waits for its dataset version."""
    return tables.workspace / "unversioned"


@contextmanager
def exclusive(tables: Tables, *, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Be the only writer of the tables; undo first what a killed writer left half done.

    What was committed inside is on the disk, with its checksums, when the block has ended. The
    lock is the operating system's and dies with its owner.

    Args:
        tables: The tables to write.
        timeout_s: How long to wait for another writer.

    Raises:
        DataError: Another writer holds the lock for longer than that.
    """
    what = f"writer of {tables.root}"
    with held(tables.workspace / "lock", what, wait_s=timeout_s, error=DataError):
        recover(tables)
        yield
        seal_all(tables)


def recover(tables: Tables) -> str | None:
    """Undo a commit that was interrupted, and sweep leftovers; call with the lock held.

    It may be interrupted itself, at any point and any number of times: what it has undone already
    is found undone by the next.

    Returns:
        The batch that was undone, None where there was nothing to undo.

    Raises:
        DataError: The journal is damaged.
    """
    place = tables.workspace
    for name in TABLES:
        drop_torn(tables, name)
    found = _read_journal(place / JOURNAL)
    undone = None
    if found is not None and not has_batch(tables, found.batch_id):
        for name in reversed(COMMITTED):
            undo(tables, name, version=found.versions[name], batch_id=found.batch_id)
        undone = found.batch_id
        logger.warning("batch %s was interrupted while committing: undone", undone)
    seal_all(tables)
    durable.remove(place / JOURNAL)
    shutil.rmtree(place / "staging", ignore_errors=True)
    for folder in (place, tables.root, *(tables.path(name) for name in TABLES)):
        durable.sweep(folder)
    return undone


def seal_all(tables: Tables) -> None:
    """Flush what was committed and note its checksums; such tables wait for a dataset version."""
    for name in TABLES:
        if unsealed(tables, name):
            durable.write_text(unversioned(tables), "")
            seal(tables, name)


def _read_journal(path: Path) -> Journal | None:
    if not path.exists():
        return None
    try:
        return Journal.model_validate_json(path.read_bytes())
    except ValidationError as err:
        raise DataError(
            f"{path} is damaged, so a commit that was interrupted cannot be undone. Restore the "
            "tables with `dvc checkout`, then delete that file and run `kinoloop ingest`: files "
            "that the restored ledger does not have are ingested again"
        ) from err


def has_batch(tables: Tables, batch_id: str) -> bool:
    """Whether the ledger has a batch, which is what makes it count."""
    mine = tables.scan("batches").filter(pl.col("batch_id") == batch_id)
    return bool(mine.select(pl.len()).collect().item())
