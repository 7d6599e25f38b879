"""Read JSONL: one JSON object a line; a line that is none is counted by its number."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import IO, Any

import polars as pl

from kinoloop.data.chunk import Chunk, NotATableError, column_names
from kinoloop.data.text_blocks import line_blocks

NO_OBJECT = "no JSON object"


class _TwiceError(Exception):
    """An object has a key twice."""


def jsonl_chunks(file: IO[bytes], rows: int, max_bytes: int) -> Iterator[Chunk]:
    """Stream the lines of a file as text columns.

    Args:
        file: At its start.
        rows: In a chunk at most.
        max_bytes: In a chunk, about.

    Raises:
        NotATableError: The file is one JSON array, or an object has a key twice.
    """
    found: list[dict[str, Any]] = []
    malformed: list[int] = []
    size, first = 0, True
    lines = chain.from_iterable(io.BytesIO(block) for block in line_blocks(file))
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = _parse(line, number)
        if isinstance(row, dict):
            found.append(row)
            size += len(line)
        elif first and line.lstrip().startswith(b"[") and (row is None or _objects(row)):
            raise NotATableError(
                "json_lines",
                "It is one JSON array. JSONL has one object a line, without brackets and commas "
                "around them: `jq -c '.[]'` makes it so.",
            )
        else:
            malformed.append(number)
        first = False
        if len(found) + len(malformed) >= rows or size >= max_bytes:
            yield _chunk(found, malformed)
            found, malformed, size = [], [], 0
    if found or malformed:
        yield _chunk(found, malformed)


def jsonl_columns(file: IO[bytes], lines: int) -> list[str]:
    """Keys of the objects in the first lines.

    Raises:
        NotATableError: No line is an object.
    """
    first = next(jsonl_chunks(file, lines, 1 << 62), None)
    if first is not None and not first.frame.width:
        raise NotATableError(
            "json_lines",
            f"None of its first {first.rows} lines is a JSON object. JSONL has one object a line, "
            "not one over several lines: `jq -c .` makes it so.",
            count=first.rows,
        )
    return list(first.frame.columns) if first is not None else []


def as_texts(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """JSON rows as a frame of text columns; a key that a row lacks is null."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    frame = pl.DataFrame(
        [pl.Series(key, [_text(row.get(key)) for row in rows], dtype=pl.String) for key in keys]
    )
    frame.columns = column_names(keys)
    return frame


def _chunk(rows: list[dict[str, Any]], malformed: list[int]) -> Chunk:
    return Chunk(as_texts(rows), malformed, dict.fromkeys(malformed, NO_OBJECT))


def _parse(line: bytes, number: int) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """What a line holds; None where it is no JSON."""
    try:
        return json.loads(line, object_pairs_hook=_object)
    except _TwiceError as err:
        raise NotATableError(
            "column_unique",
            f"The object in line {number} names it twice, and nobody can know which one counts.",
            column=str(err),
        ) from err
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return row


def _objects(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _text(value: Any) -> str | None:  # noqa: ANN401 (whatever JSON holds)
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8") or None  # lone surrogates are no text
