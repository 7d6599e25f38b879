"""How the cells of a CSV file look, column by column, to tell its rows from prose."""

import re
from collections.abc import Iterable

SAMPLE = 500  # rows that are looked at
_CLASSES = bytes(
    ord("0")
    if chr(byte).isdigit() and byte < 128
    else ord("a")
    if byte >= 128 or chr(byte).isalpha()
    else ord(" ")
    if byte in b" \t"
    else byte
    for byte in range(256)
)
_RUNS = re.compile(rb"(.)\1+", re.DOTALL)


class Shapes:
    """Shapes of cells: digits, letters and marks, without their number (`u17` is `a0`).

    Only columns that always have a digit (ids, times, numbers) can tell a row from prose.

    Args:
        columns: How many there are.
    """

    def __init__(self, columns: int) -> None:
        self.columns, self.wanted = columns, SAMPLE
        self._seen: list[set[bytes]] = [set() for _ in range(columns)]

    @property
    def usable(self) -> bool:
        """Whether any column tells a row from prose."""
        return any(self._has_digits(seen) for seen in self._seen)

    def learn(self, rows: Iterable[list[bytes]]) -> None:
        """Look at the cells of rows."""
        for row in rows:
            self.wanted -= 1
            for seen, cell in zip(self._seen, row, strict=True):
                seen.add(_shape(cell))

    def fit(self, cells: list[bytes]) -> bool:
        """Whether cells look like a row."""
        if len(cells) != self.columns:
            return False
        pairs = zip(self._seen, cells, strict=True)
        return all(_shape(cell) in seen for seen, cell in pairs if self._has_digits(seen))

    @staticmethod
    def _has_digits(seen: set[bytes]) -> bool:
        return any(seen) and all(b"0" in shape for shape in seen if shape)


def _shape(cell: bytes) -> bytes:
    return _RUNS.sub(rb"\1", cell.translate(_CLASSES))
