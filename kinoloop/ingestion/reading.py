"""Read Parquet, CSV and JSONL in bounded chunks, as they are: nothing is cast, dropped or fixed.

A chunk has at most `CHUNK_ROWS` rows and about `CHUNK_BYTES` bytes, whatever the file's size.
Parquet keeps its types; CSV and JSONL come as text, so that a value that does not fit its column is
still there to be shown in the quarantine. Lines that are not rows at all (too many cells, a stray
quote, broken JSON) are counted by line number, never by their text: it could hold a user id.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import PurePosixPath
from typing import IO

import fsspec
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from kinoloop.errors import BatchError
from kinoloop.ingestion.chunk import Chunk, NotATableError, column_names
from kinoloop.ingestion.csv_records import AmbiguousQuotesError, cells_of, cut, unquoted
from kinoloop.ingestion.json_lines import jsonl_chunks, jsonl_columns
from kinoloop.ingestion.text_blocks import EncodingError, LineTooLongError, line_blocks

FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl"}
CHUNK_ROWS = 500_000
CHUNK_BYTES = 256 << 20
BLOCK_ROWS = 65_536
SAMPLED_LINES = 1_000  # of a JSONL file, to learn which keys it has


def format_of(path: str) -> str | None:
    """`parquet`, `csv` or `jsonl` by the name's ending; None for anything else."""
    return FORMATS.get(PurePosixPath(path).suffix.lower())


def read_columns(files: fsspec.AbstractFileSystem, path: str) -> list[str]:
    """Names of a file's columns; of a JSONL file, the keys of its first lines.

    Raises:
        BatchError: The file is empty or cannot be read.
    """
    with _opened(files, path) as file:
        match format_of(path):
            case "parquet":
                return column_names(pq.read_schema(file).names)
            case "csv":
                return _csv_header(line_blocks(file))[0]
            case _:
                return jsonl_columns(file, SAMPLED_LINES)


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
        BatchError: The file has no rows, or its content is not a table of rows.
    """
    readers: dict[str | None, Callable[[IO[bytes], int, int], Iterator[Chunk]]] = {
        "parquet": _parquet_chunks,
        "csv": _csv_chunks,
        "jsonl": jsonl_chunks,
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
    """Open a file; what damaged content raises becomes a BatchError."""
    try:
        if not files.size(path):
            raise _empty(path)
        with files.open(path, "rb") as file:
            yield file
    except NotATableError as err:
        raise _refused(path, err.check, err.hint, column=err.column, count=err.count) from err
    except AmbiguousQuotesError as err:
        first, last = err.args
        hint = (
            f"A quote is opened in line {first} and closed in line {last}, and what stands between "
            "looks like rows of its own. Take out the stray quotes, or double them inside of a "
            "quoted cell. If it is one text with line breaks, land the file as JSONL or Parquet."
        )
        raise _refused(path, "stray_quote", hint, count=last - first + 1) from err
    except EncodingError as err:
        hint = f"Its encoding was detected: {err}. Write it again as UTF-8, or with the mark of "
        raise _refused(path, "encoding", f"{hint}UTF-16 or UTF-32 at its start.") from err
    except (pa.ArrowException, OSError, LineTooLongError) as err:
        hint = (
            f"It is not a readable {format_of(path)} file: {str(err).splitlines()[0].rstrip('.')}. "
        )
        hint += "Write it again, or take it out of the landing zone."
        raise _refused(path, "readable", hint) from err


def _empty(path: str) -> BatchError:
    hint = "It has no rows. Write it again, or take it out of the landing zone."
    return _refused(path, "not_empty", hint)


def _refused(path: str, check: str, hint: str, *, column: str = "", count: int = 1) -> BatchError:
    return BatchError(file=path, column=column, check=check, count=count, hint=hint)


def _parquet_chunks(file: IO[bytes], rows: int, max_bytes: int) -> Iterator[Chunk]:
    parquet = pq.ParquetFile(file)
    names = column_names(parquet.schema_arrow.names)
    batches = parquet.iter_batches(batch_size=min(rows, BLOCK_ROWS))
    for table in _regrouped(batches, rows, max_bytes):
        table.validate(full=True)  # text that is not UTF-8 would crash whoever touches it later
        yield Chunk(_frame(table.rename_columns(names)))


def _csv_chunks(file: IO[bytes], rows: int, max_bytes: int) -> Iterator[Chunk]:
    blocks = line_blocks(file)
    columns, rest = _csv_header(blocks)
    malformed: dict[int, str] = {}
    tables = _csv_tables(chain([rest] if rest else [], blocks), columns, malformed)
    for table in _regrouped(tables, rows, max_bytes):
        lines, reasons = sorted(malformed), dict(malformed)
        malformed.clear()
        yield Chunk(_frame(table), lines, reasons)
    if malformed:
        empty = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        yield Chunk(empty, sorted(malformed), malformed)


def _csv_header(blocks: Iterator[bytes]) -> tuple[list[str], bytes]:
    """Names of the columns, and what follows the first line of the first block."""
    line, _, rest = next(blocks, b"").partition(b"\n")
    cells = cells_of(line.removesuffix(b"\r"))
    if cells is None:
        look = (
            "its lines are JSON: name it .jsonl" if line[:1] in b"{[" else "look for a stray quote"
        )
        raise NotATableError(
            "header", f"Its first line, the header, is not valid RFC 4180 CSV; {look}."
        )
    return column_names(unquoted(cell).decode() for cell in cells), rest


def _csv_tables(
    blocks: Iterator[bytes], columns: list[str], malformed: dict[int, str]
) -> Iterator[pa.RecordBatch]:
    """Yield the records of a CSV file as text; lines that are none go to `malformed`."""
    for records in cut(blocks, len(columns), first_line=2):
        malformed.update(records.malformed)
        if not records.count:
            continue
        table = pyarrow.csv.read_csv(
            pa.BufferReader(records.data),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=columns, block_size=len(records.data) + 1
            ),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=records.broken),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        )
        if table.num_rows != records.count:
            raise NotATableError(
                "rows_counted",
                f"{records.count} records were read as {table.num_rows} rows; report it as a bug.",
            )
        yield from table.to_batches()


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
