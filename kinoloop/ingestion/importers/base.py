"""What every importer is: a function from a source folder to a landing zone.

An importer never drops or fixes a row: what is odd in the source arrives odd in the landing zone,
where ingestion names it. It streams, so memory does not grow with the source, and it writes each
shard under a hidden name first and renames it, so that ingestion never reads half a file.
"""

import codecs
import hashlib
import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import fsspec
import polars as pl

from kinoloop.data.times import Unit, read_times, why_unreadable
from kinoloop.errors import DataError
from kinoloop.ingestion.importers.order import Order
from kinoloop.ingestion.landing import open_landing, sweep, write
from kinoloop.ingestion.reading import read_chunks
from kinoloop.plugins import Plugins

logger = logging.getLogger(__name__)

CHUNK_ROWS = 100_000
BLOCK_BYTES = 8 << 20


class Landing:
    """Writes shards into a landing zone and counts what it wrote.

    The names of the shards are those of the format and the source, so that importing the same
    source again replaces them by equal ones.

    Args:
        landing: Folder or fsspec URL.
        importer: Name of the format.
        source: What is imported.
    """

    def __init__(self, landing: str, importer: str, source: Path) -> None:
        self.files, self.root = open_landing(landing)
        place = hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:8]
        self.prefix = f"{importer}-{place}"
        self.rows = {"videos": 0, "events": 0}
        self.order = Order()
        self._shards = {"videos": 0, "events": 0}
        for kind in self.rows:
            sweep(self.files, f"{self.root.rstrip('/')}/{kind}")

    def write(self, kind: str, frame: pl.DataFrame) -> None:
        """Write one shard of `videos` or `events`; an empty frame leaves none."""
        if frame.is_empty():
            return
        name = f"{kind}/{self.prefix}-{self._shards[kind]:05d}.parquet"
        content = io.BytesIO()
        frame.write_parquet(content)
        write(self.files, f"{self.root.rstrip('/')}/{name}", content.getvalue())
        self._shards[kind] += 1
        self.rows[kind] += frame.height
        if kind == "events":
            self.order.look(frame)


class Importer(Protocol):
    """Reads one public format."""

    def __call__(self, source: Path, landing: Landing) -> None:
        """Write the videos and events of `source` into `landing`.

        Raises:
            DataError: The source does not look like this format.
        """


IMPORTERS: Plugins[Importer] = Plugins(
    "kinoloop.ingestion.importers", "importer", group="kinoloop.importers"
)


def require(source: Path, names: tuple[str, ...], importer: str) -> list[Path]:
    """Find the files that a format needs.

    Raises:
        DataError: One is missing; lists what is there.
    """
    found = [source / name for name in names]
    missing = [path.name for path in found if not path.is_file()]
    if missing:
        there = sorted(path.name for path in source.iterdir()) if source.is_dir() else ["nothing"]
        raise DataError(
            f"{source} does not look like {importer}: {', '.join(missing)} is missing; "
            f"there is {', '.join(there[:12])}. Name the unpacked folder."
        )
    return found


def whole_rows(
    path: Path, *, hint: str = "correct the file, or fetch it again"
) -> Iterator[pl.DataFrame]:
    """Stream a CSV, Parquet or JSONL file; an importer drops no rows, so each must be one.

    Args:
        path: The file.
        hint: What to do about a line that is not a row.

    Raises:
        DataError: A line is not a row; names its number.
        BatchError: The file is not a table, or not in the encoding that it claims.
    """
    for chunk in read_chunks(fsspec.filesystem("file"), str(path), rows=CHUNK_ROWS):
        if chunk.malformed:
            raise DataError(
                f"{path}: line {chunk.malformed[0]} is not a row (another number of fields than "
                f"the header, a stray quote, or broken JSON); an importer drops none: {hint}"
            )
        yield chunk.frame


def encoding_of(path: Path, *, documented: str | None = None) -> str:
    """Tell the encoding of a text file: UTF-8 where all of it is that, else what its format says.

    Args:
        path: The file; it is read once.
        documented: Encoding of releases that are not UTF-8; None: the format has none.

    Raises:
        DataError: It is not UTF-8, and the format documents no other encoding.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(BLOCK_BYTES):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as err:
            if documented is None:
                raise DataError(
                    f"{path} is not UTF-8, the encoding of this format ({err.reason}); "
                    "write it again as UTF-8, or fetch it again"
                ) from err
            return documented
    return "utf-8-sig"


def delimited(
    path: Path, separator: str, columns: tuple[str, ...], *, documented: str | None = None
) -> Iterator[pl.DataFrame]:
    """Stream an unquoted delimited file without header, as text columns, in blocks of lines.

    Lines with fewer fields get nulls, further fields are ignored; no line is left out.

    Args:
        path: The file.
        separator: Between fields.
        columns: Names of the fields, in order.
        documented: See `encoding_of`.

    Raises:
        DataError: The file is in no encoding that this format has.
    """
    encoding = encoding_of(path, documented=documented)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            block += file.readline()
            text = block.decode(encoding).replace("\r\n", "\n")
            lines = pl.Series("line", text.rstrip("\n").split("\n"), dtype=pl.String)
            fields = lines.str.split(separator)
            yield pl.DataFrame(
                [fields.list.get(i, null_on_oob=True).alias(c) for i, c in enumerate(columns)]
            )


def as_time(column: pl.Series, unit: Unit | None) -> pl.Series:
    """Epoch numbers as times; where a value is not a time, ISO text beside the value as it was.

    Args:
        column: Numbers, or text that should be numbers.
        unit: Of the numbers; None: by their size.

    Raises:
        DataError: A number can only be an epoch in another unit, or the type holds no times.
    """
    times = read_times(column, unit=unit)
    if times is None:
        raise DataError(
            f"column {column.name!r} has the type {column.dtype}, which cannot hold epoch numbers; "
            "expected whole numbers, floats of 64 bits, text or timestamps"
        )
    if times.null_count() == column.null_count():
        return times.alias(column.name)
    left = column.filter(times.is_null() & column.is_not_null())
    sized = read_times(left)  # by its size: an epoch, but in another unit
    if sized is not None and len(other := left.filter(sized.is_not_null())):
        raise DataError(f"column {column.name!r}: {why_unreadable(other[0], unit=unit)}")
    return _beside(times.dt.to_string("iso:strict"), column)


def as_number(column: pl.Series, *, divisor: float = 1.0) -> pl.Series:
    """Text as numbers, divided; where one is not a number, text beside the value as it was."""
    numbers = column.cast(pl.Float64, strict=False) / divisor
    if numbers.null_count() == column.null_count():
        return numbers.alias(column.name)
    return _beside(numbers.cast(pl.String), column)


def spaced_times(end: datetime, column: pl.Expr, steps: pl.Expr, *, step_s: int) -> pl.Expr:
    """Made-up times for sources that know only the order: `steps` steps before an end.

    Args:
        end: Used where `column` is null.
        column: The end of each row, a time.
        steps: How many steps before it the event lies.
        step_s: Length of a step, seconds.
    """
    last = column.fill_null(pl.lit(end.astimezone(UTC)))
    return last.cast(pl.Datetime("us", "UTC")) - pl.duration(seconds=steps * step_s)


def _beside(converted: pl.Series, raw: pl.Series) -> pl.Series:
    return converted.fill_null(raw.cast(pl.String)).alias(raw.name)
