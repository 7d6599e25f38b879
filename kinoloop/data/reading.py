"""Read Parquet, CSV and JSONL in bounded chunks, as they are: nothing is cast, dropped or mended.

A chunk has at most `CHUNK_ROWS` rows and about `CHUNK_BYTES` bytes, whatever the file's size.
Parquet keeps its types; CSV and JSONL come as text, so that a value that does not fit its column is
still there to be shown in the quarantine. Lines that are no rows at all (too many fields, broken
JSON) are counted by line number, never by their text: it could hold a user id.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any

import fsspec
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from kinoloop.errors import BatchError

FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}
CHUNK_ROWS = 500_000
CHUNK_BYTES = 256 << 20
BLOCK_BYTES = 8 << 20  # what the CSV parser holds at once; also the longest row it takes
BLOCK_ROWS = 65_536
SAMPLED_LINES = 1_000  # of a JSONL file, to learn which keys it has


@dataclass(frozen=True)
class Chunk:
    """Some rows of one file.

    Attributes:
        frame: The rows; text for CSV and JSONL, typed for Parquet.
        malformed: Line numbers, from 1, of lines in this stretch that are no rows.
    """

    frame: pl.DataFrame
    malformed: list[int] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows and malformed lines together."""
        return self.frame.height + len(self.malformed)


def format_of(path: str) -> str | None:
    """`parquet`, `csv` or `jsonl` by the name's ending; None for anything else."""
    return FORMATS.get(PurePosixPath(path).suffix.lower())


def read_columns(files: fsspec.AbstractFileSystem, path: str) -> list[str]:
    """Names of a file's columns; of a JSONL file, the keys of its first lines.

    Raises:
        BatchError: The file is empty or can not be read.
    """
    with _opened(files, path) as file:
        match format_of(path):
            case "parquet":
                return list(pq.read_schema(file).names)
            case "csv":
                return _csv_header(file)
            case _:
                first = next(_jsonl_chunks(file, SAMPLED_LINES, CHUNK_BYTES), Chunk(pl.DataFrame()))
                return list(first.frame.columns)


def read_chunks(
    files: fsspec.AbstractFileSystem, path: str, *, rows: int = CHUNK_ROWS
) -> Iterator[Chunk]:
    """Stream a file.

    Args:
        files: Where it is.
        path: Its path there; the ending names the format.
        rows: Rows in a chunk at most.

    Yields:
        Chunks in file order.

    Raises:
        BatchError: The file has no rows (`not_empty`) or can not be read (`readable`).
    """
    readers: dict[str | None, Callable[[IO[bytes], int, int], Iterator[Chunk]]] = {
        "parquet": _parquet_chunks,
        "csv": _csv_chunks,
        "jsonl": _jsonl_chunks,
    }
    seen = 0
    with _opened(files, path) as file:
        for chunk in readers[format_of(path)](file, rows, CHUNK_BYTES):
            seen += chunk.rows
            yield chunk
    if not seen:
        raise _empty(path)


@contextmanager
def _opened(files: fsspec.AbstractFileSystem, path: str) -> Iterator[IO[bytes]]:
    """Open a file; what the parsers raise on damaged content becomes a BatchError."""
    if not files.size(path):
        raise _empty(path)
    try:
        with files.open(path, "rb") as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as err:
        raise BatchError(
            file=path,
            column="",
            check="readable",
            count=1,
            hint=f"It is no readable {format_of(path)} file: {str(err).splitlines()[0]}. "
            "Write it again (text is UTF-8), or take it out of the landing zone.",
        ) from err


def _empty(path: str) -> BatchError:
    return BatchError(
        file=path,
        column="",
        check="not_empty",
        count=1,
        hint="It has no rows. Write it again, or take it out of the landing zone.",
    )


def _parquet_chunks(file: IO[bytes], rows: int, max_bytes: int) -> Iterator[Chunk]:
    batches = pq.ParquetFile(file).iter_batches(batch_size=min(rows, BLOCK_ROWS))
    for table in _regrouped(batches, rows, max_bytes):
        yield Chunk(_frame(table))


def _csv_header(file: IO[bytes]) -> list[str]:
    with pyarrow.csv.open_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(
            newlines_in_values=True, invalid_row_handler=lambda _: "skip"
        ),
    ) as reader:
        return list(reader.schema.names)


def _csv_chunks(file: IO[bytes], rows: int, max_bytes: int) -> Iterator[Chunk]:
    columns = _csv_header(file)
    file.seek(0)
    malformed: list[int] = []

    def note(row: Any) -> str:  # noqa: ANN401 (pyarrow exports no name for its InvalidRow)
        malformed.append(int(row.number))
        return "skip"

    reader = pyarrow.csv.open_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            null_values=[""],
        ),
    )
    for table in _regrouped(reader, rows, max_bytes):
        noted, malformed[:] = list(malformed), []
        yield Chunk(_frame(table), noted)
    if malformed:
        yield Chunk(pl.DataFrame(schema=dict.fromkeys(columns, pl.String)), malformed)


def _jsonl_chunks(file: IO[bytes], rows: int, max_bytes: int) -> Iterator[Chunk]:
    found: list[dict[str, Any]] = []
    malformed: list[int] = []
    size = 0
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        row = _parse(line)
        if row is None:
            malformed.append(number)
        else:
            found.append(row)
            size += len(line)
        if len(found) + len(malformed) >= rows or size >= max_bytes:
            yield Chunk(_texts(found), malformed)
            found, malformed, size = [], [], 0
    if found or malformed:
        yield Chunk(_texts(found), malformed)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _texts(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """JSON rows as a frame of text columns; a key that a row lacks is null."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return pl.DataFrame(
        {column: [_text(row.get(column)) for row in rows] for column in columns},
        schema=dict.fromkeys(columns, pl.String),
    )


def _text(value: Any) -> str | None:  # noqa: ANN401 (whatever JSON holds)
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8") or None  # lone surrogates are no text


def _regrouped(batches: Iterator[pa.RecordBatch], rows: int, max_bytes: int) -> Iterator[pa.Table]:
    """Small record batches as tables of at most `rows` rows and about `max_bytes` bytes."""
    held: list[pa.RecordBatch] = []
    count = size = 0
    for arrived in batches:
        batch = arrived
        while batch.num_rows:
            part = batch.slice(0, rows - count)
            batch = batch.slice(part.num_rows)
            held.append(part)
            count += part.num_rows
            size += part.nbytes
            if count >= rows or size >= max_bytes:
                yield pa.Table.from_batches(held)
                held, count, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held)


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame
