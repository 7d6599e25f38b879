"""Write a shard: products, then quarantine, then media; each an atomic commit, none done twice.

A video counts as decoded when its media row is there, so that row is written last. Whoever is
killed in between leaves features that the next run finds and does not write again. One row
per (video, fingerprint): new content replaces the row, Delta's time travel keeps the old one.
"""

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

import deltalake
import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.extraction.products import Product, VectorProduct
from kinoloop.schema import ENCODERS

logger = logging.getLogger(__name__)

KEYS = {"media": ("video_id",), "quarantine": ("kind", "key", "row")}
PRODUCT_KEYS = ("video_id", "fingerprint")


def in_order(names: Iterable[str]) -> list[str]:
    """Put a shard's commits in order: `media` is last, for its row is what makes a video count."""
    return sorted(names, key=lambda name: (name == "media", name == "quarantine", name))


def write(tables: Tables, name: str, frame: pl.DataFrame, *, replaces: bool) -> None:
    """Put rows into a table in one commit.

    Args:
        tables: Where.
        name: Which table.
        frame: Rows in the table's schema, at least one.
        replaces: Whether some keys may be there already: then it is a merge, which reads the
            table's keys; else a plain append.
    """
    path = str(tables.path(name))
    if not replaces or not tables.exists(name):
        deltalake.write_deltalake(path, frame, mode="append", schema_mode="merge")
        return
    same = " AND ".join(f"target.{key} = source.{key}" for key in KEYS.get(name, PRODUCT_KEYS))
    merge = deltalake.DeltaTable(path).merge(
        frame,
        predicate=same,
        source_alias="source",
        target_alias="target",
        merge_schema=True,  # a table of an older version may lack a column
    )
    if name != "quarantine":
        merge = merge.when_matched_update_all()
    merge.when_not_matched_insert_all().execute()


def record_encoders(tables: Tables, products: Iterable[Product]) -> None:
    """Note who makes the vectors of a space: while a new one grows, the old is searched."""
    spaces = [product for product in products if isinstance(product, VectorProduct)]
    known = set(tables.scan("encoders").select("fingerprint").collect().to_series())
    rows = [
        {
            "fingerprint": space.fingerprint,
            "modality": space.modality,
            "settings": json.dumps(space.settings, sort_keys=True),
            "first_used": now(),
        }
        for space in spaces
        if space.fingerprint not in known
    ]
    if rows:
        frame = pl.DataFrame(rows, schema=ENCODERS, orient="row")
        deltalake.write_deltalake(str(tables.path("encoders")), frame, mode="append")


def compact(tables: Tables, name: str, *, files: int) -> None:
    """Join the small files of a table where there are more than `files`."""
    if not tables.exists(name):
        return
    table = deltalake.DeltaTable(str(tables.path(name)))
    count = len(table.file_uris())
    if count > files:
        metrics = table.optimize.compact()
        logger.info("compacted %s: %d files into %d", name, count, metrics["numFilesAdded"])


def now() -> datetime:
    """Return the time that rows are stamped with."""
    return datetime.now(UTC)
