"""Read JSONL: one JSON object per line; a line that is none is counted by its number."""

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import IO, Any

import polars as pl

from kinoloop.ingestion.chunk import Chunk, NotATableError, column_names, named_twice
from kinoloop.ingestion.text_blocks import line_blocks

NO_OBJECT = "no JSON object"
NO_TEXT = "half of a surrogate pair: no text"
NO_ID = "an id that is neither text nor a number"
IDS = ("user_id", "video_id", "event_id", "creator_id")
_SURROGATE = b"\\ud"  # how an escaped one starts; bare ones are not UTF-8


class _TwiceError(Exception):
    """An object has a key twice: its keys."""


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
    malformed: dict[int, str] = {}
    size, first = 0, True
    lines = chain.from_iterable(io.BytesIO(block) for block in line_blocks(file))
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = _parse(line, number)
        if isinstance(row, dict):
            why = _fault(row, line)
            if why is None:
                found.append(row)
                size += len(line)
            else:
                malformed[number] = why
        elif first and line.lstrip().startswith(b"[") and (row is None or _objects(row)):
            raise NotATableError(
                "json_lines",
                "It is one JSON array. JSONL has one object per line, without brackets and commas "
                "around them: `jq -c '.[]'` makes it so.",
            )
        else:
            malformed[number] = NO_OBJECT
        first = False
        if len(found) + len(malformed) >= rows or size >= max_bytes:
            yield _chunk(found, malformed)
            found, malformed, size = [], {}, 0
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
            f"None of its first {first.rows} lines is a JSON object that is a row. "
            f"{_first_reason(first)}",
            count=first.rows,
        )
    return list(first.frame.columns) if first is not None else []


def _first_reason(chunk: Chunk) -> str:
    """Say what is wrong with lines none of which is a row."""
    others = sorted({*chunk.why.values()} - {NO_OBJECT})
    if others:
        return f"Found: {'; '.join(others)}."
    return "JSONL has one object per line, not one over several lines: `jq -c .` makes it so."


def as_texts(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """JSON rows as a frame of text columns; a key that a row lacks is null."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    frame = pl.DataFrame(
        [pl.Series(key, [_text(row.get(key)) for row in rows], dtype=pl.String) for key in keys]
    )
    frame.columns = column_names(keys)
    return frame


def _chunk(rows: list[dict[str, Any]], malformed: dict[int, str]) -> Chunk:
    return Chunk(as_texts(rows), list(malformed), malformed)


def _parse(line: bytes, number: int) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """Parse what a line holds; None where it is not JSON."""
    try:
        return json.loads(line, object_pairs_hook=_object)
    except _TwiceError as err:
        raise named_twice(err.args, f"The object in line {number} names") from err
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _TwiceError(*[name for name, _ in pairs])
    return row


def _fault(row: dict[str, Any], line: bytes) -> str | None:
    """Why an object is not a row; None where it is one."""
    if _SURROGATE in line.lower():
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return NO_TEXT
    ids = (value for key, value in row.items() if key.strip() in IDS)
    return None if all(map(_is_id, ids)) else NO_ID


def _is_id(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int | None) and not isinstance(value, bool)


def _objects(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) for one in value)


def _text(value: Any) -> str | None:  # noqa: ANN401 (whatever JSON holds)
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text or None
