"""What reading a landing file yields, and why it may yield nothing."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from kinoloop.ingestion.conform import EXPECTED

_KNOWN = {name for columns in EXPECTED.values() for name in columns}
_NAME = re.compile(r"(?!(?:.*\d){3})[A-Za-z_][\w .-]{0,40}")  # with more digits it may be an id


@dataclass(frozen=True)
class Chunk:
    """Some rows of one file.

    Attributes:
        frame: The rows; text for CSV and JSONL, typed for Parquet.
        malformed: Line numbers, from 1, of lines in this stretch that are not rows.
        why: What is wrong with each of these lines.
    """

    frame: pl.DataFrame
    malformed: list[int] = field(default_factory=list)
    why: dict[int, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows and malformed lines together."""
        return self.frame.height + len(self.malformed)


class NotATableError(Exception):
    """The content of a file is not a table of rows.

    Args:
        check: What it fails.
        hint: What was found where, and what to do; no text of the file, it could name a user.
        column: The column in question, or "".
        count: How many lines or columns.
    """

    def __init__(self, check: str, hint: str, *, column: str = "", count: int = 1) -> None:
        self.check, self.hint, self.column, self.count = check, hint, column, count
        super().__init__(hint)


def column_names(names: Iterable[str]) -> list[str]:
    """Names of columns without the spaces around them.

    Raises:
        NotATableError: Two columns have the same name.
    """
    stripped = [name.strip() for name in names]
    if len(set(stripped)) < len(stripped):
        raise named_twice(stripped, "The header names")
    return stripped


def named_twice(names: Sequence[str], where: str) -> NotATableError:
    """Return the error of names of which some stand twice.

    A name that may be a value, where the header is missing, is named by its places only: it could
    be a user.

    Args:
        names: All of them, in their order.
        where: Begins the sentence.
    """
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    times = names.count(twice[0])
    column, what = twice[0], f"it {times} times"
    if twice[0] not in _KNOWN and not _NAME.fullmatch(twice[0]):
        first = names.index(twice[0])
        second = names.index(twice[0], first + 1)
        column, what = "", f"column {first + 1} and column {second + 1} alike"
    return NotATableError(
        "column_unique",
        f"{where} {what}; it is unclear which one counts. Rename or drop the others.",
        column=column,
        count=len(twice),
    )
