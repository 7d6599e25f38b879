"""What reading a landing file yields, and why it may yield nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Chunk:
    """Some rows of one file.

    Attributes:
        frame: The rows; text for CSV and JSONL, typed for Parquet.
        malformed: Line numbers, from 1, of lines in this stretch that are no rows.
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
    """The content of a file is no table of rows.

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
    twice = [name for name in dict.fromkeys(stripped) if stripped.count(name) > 1]
    if twice:
        raise NotATableError(
            "column_unique",
            f"The header names it {stripped.count(twice[0])} times, and nobody can know which one "
            "counts. Rename or drop the others.",
            column=twice[0],
            count=len(twice),
        )
    return stripped
