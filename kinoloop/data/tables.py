"""The Delta tables under `data/`: where they are, how they are read and appended.

delta-rs writes, Polars reads, Spark and DuckDB can read too. Fixed-size arrays do not survive the
trip (Polars writes them as lists and refuses to read them back), so vectors are `List(Float32)`
on disk.
"""

from pathlib import Path

import deltalake
import polars as pl

from kinoloop.errors import DataError
from kinoloop.schema import TABLES


class Tables:
    """The tables of one data directory.

    Args:
        root: The directory that `data.dvc` pins.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def workspace(self) -> Path:
        """Directory beside the data directory for lock, journal and staging."""
        root = self.root.resolve()
        return root.with_name(f".{root.name}.ingest")

    def path(self, name: str) -> Path:
        """Directory of a table.

        Raises:
            DataError: There is no table of that name.
        """
        if name not in TABLES:
            raise DataError(f"no table is called {name!r}; there are {', '.join(TABLES)}")
        return self.root / name

    def exists(self, name: str) -> bool:
        """Whether the table has been written yet."""
        return deltalake.DeltaTable.is_deltatable(str(self.path(name)))

    def version(self, name: str) -> int:
        """Delta version of a table; -1 before the first write."""
        return deltalake.DeltaTable(str(self.path(name))).version() if self.exists(name) else -1

    def scan(self, name: str) -> pl.LazyFrame:
        """Read a table lazily; one that does not exist yet has no rows.

        A column that a table of an older version lacks is null.
        """
        path, schema = self.path(name), TABLES[name]
        if not self.exists(name):
            return pl.LazyFrame(schema=schema)
        found = pl.scan_delta(str(path))
        there = found.collect_schema()
        lacking = [pl.lit(None, kind).alias(c) for c, kind in schema.items() if c not in there]
        return found.with_columns(lacking) if lacking else found
