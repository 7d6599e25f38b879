"""Replace the rows of some videos in a table, in one commit."""

import deltalake
import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.schema import TABLES


def upsert(tables: Tables, name: str, rows: pl.DataFrame) -> None:
    """Write rows, one per video; a row of the same video is replaced.

    Args:
        tables: Where.
        name: Of a table that is keyed by `video_id`.
        rows: Columns of its schema.
    """
    if rows.is_empty():
        return
    path, frame = str(tables.path(name)), rows.select(*TABLES[name])
    if not tables.exists(name):
        deltalake.write_deltalake(path, frame, mode="append")
        return
    merge = deltalake.DeltaTable(path).merge(
        frame,
        predicate="target.video_id = source.video_id",
        source_alias="source",
        target_alias="target",
        merge_schema=True,
    )
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
