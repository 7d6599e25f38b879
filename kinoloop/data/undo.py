"""Take one batch out of one table again, however often that is tried and interrupted.

Every commit of a batch carries its id in the Delta log, and so does every commit that undoes it:
what is in force is read there, not guessed from version numbers.
"""

import deltalake
import polars as pl
from deltalake import CommitProperties

from kinoloop import durable
from kinoloop.data.tables import Tables

BATCH, UNDONE = "batch_id", "undone_batch_id"


def of_batch(batch_id: str) -> CommitProperties:
    """Mark a commit as that of a batch."""
    return CommitProperties(custom_metadata={BATCH: batch_id})


def undo(tables: Tables, name: str, *, version: int, batch_id: str) -> None:
    """Take the batch out; what others wrote since stays.

    Args:
        tables: Where.
        name: Which table.
        version: Of the table before the batch.
        batch_id: The batch.
    """
    table = deltalake.DeltaTable(str(tables.path(name)))
    since = table.history(max(table.version() - version, 0)) if table.version() > version else []
    mine = next((c for c in since if batch_id in {c.get(BATCH), c.get(UNDONE)}), None)
    if mine is not None and UNDONE not in mine:
        undone = CommitProperties(custom_metadata={UNDONE: batch_id})
        if mine is since[0]:
            table.restore(int(mine["version"]) - 1, commit_properties=undone)
        elif name == "videos":
            _put_back(tables, int(mine["version"]), undone)
        else:
            table.delete(f"batch_id = '{batch_id}'", commit_properties=undone)
    for orphan in tables.path(name).rglob(f"{batch_id}-*.parquet"):
        durable.remove(orphan)


def _put_back(tables: Tables, version: int, undone: CommitProperties) -> None:
    """Bring back what the commit `version` changed, of the videos that nobody changed since."""
    path = str(tables.path("videos"))
    before, after = (pl.read_delta(path, version=v) for v in (version - 1, version))
    now = pl.read_delta(path)
    columns = before.columns
    changed = after.select(columns).join(before, on=columns, how="anti", nulls_equal=True)
    untouched = now.join(changed, on=columns, how="anti", nulls_equal=True)
    gone = changed.join(untouched, on="video_id", how="anti").select("video_id").unique()
    kept = pl.concat([untouched, before.join(gone, on="video_id", how="semi")], how="diagonal")
    deltalake.write_deltalake(path, kept.to_arrow(), mode="overwrite", commit_properties=undone)
