"""Cut CSV into records by RFC 4180, so that one stray quote costs its own line and no other.

CSV readers believe every quote: one that is opened by mistake swallows the lines behind it, up to
the next quote, into one cell, without an error. Here lines are held against records before any
reader sees them. A line that is not a record (a quote that is not closed, text behind a closing
one, another number of cells than the header) is left out and reported by its number. A quote that
stands inside of an unquoted cell is text, as all readers have it.

Two stray quotes can make a record that is correct by the letter. Where the lines that it spans look
like rows of this file, nobody can tell it from a text with line breaks, and no guess is made: the
file is refused with the numbers of both lines.

Lines without quotes, nearly all as a rule, are counted with numpy; those with quotes are matched by
one linear regular expression of Polars; only what fails that is looked at one by one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from kinoloop.ingestion.csv_shapes import Shapes

LONGEST_CELL = 1 << 20  # bytes that a quoted cell may span; a quote open for longer is a stray one
WIDE = 1000  # columns; an expression that counts more of them is too large to compile
WRONG_CELLS = "another number of cells than the header"
NO_RECORD = "a stray quote or line end: no record by RFC 4180"

_PLAIN = rb'(?:[^",\r\n][^,\r\n]*)?'
_INSIDE = rb'[^"]*(?:""[^"]*)*'
_CELL = rb'(?:"' + _INSIDE + rb'"|' + _PLAIN + rb")"
_OPENS = re.compile(rb"((?:" + _CELL + rb',)*)"(' + _INSIDE + rb")", re.DOTALL)
_STAYS = re.compile(_INSIDE)
_CLOSES = re.compile(rb"(" + _INSIDE + rb')"((?:,' + _CELL + rb')*)(,"' + _INSIDE + rb")?\r?")
_ONE_CELL = re.compile(_CELL)
_NEWLINE, _RETURN, _COMMA, _QUOTE = b'\n\r,"'


class AmbiguousQuotesError(Exception):
    """Two quotes around what looks like rows: (number of the first line, of the last one)."""


@dataclass
class Records:
    """The records of one stretch of a file.

    Attributes:
        data: Lines that are records, as they stand in the file.
        count: How many records these are.
        broken: Whether a record spans lines.
        malformed: What is wrong with each other line, by its number from 1.
    """

    data: bytes
    count: int
    broken: bool = False
    malformed: dict[int, str] = field(default_factory=dict)


def cells_of(record: bytes) -> list[bytes] | None:
    """Cut one record into its cells as they are written; None where it breaks RFC 4180."""
    cells: list[bytes] = []
    position = 0
    while found := _ONE_CELL.match(record, position):
        cells.append(found.group())
        position = found.end()
        if record[position : position + 1] != b",":
            break
        position += 1
    return cells if position == len(record) else None


def unquoted(cell: bytes) -> bytes:
    """Return what a cell says."""
    return cell[1:-1].replace(b'""', b'"') if cell.startswith(b'"') else cell


def cut(blocks: Iterator[bytes], columns: int, *, first_line: int) -> Iterator[Records]:
    """Cut blocks of whole lines into records.

    Args:
        blocks: Valid UTF-8, each ending with a line.
        columns: Cells that a record has.
        first_line: Number of the first line.

    Raises:
        AmbiguousQuotesError: Two quotes enclose what looks like rows.
    """
    shapes = Shapes(columns)
    held, line = b"", first_line
    following = next(blocks, None)
    while following is not None:
        block, following = held + following, next(blocks, None)
        if not block.endswith(b"\n"):
            block += b"\n"
        piece = _Piece(block, columns, line, shapes)
        records, used = piece.cut(last=following is None)
        held, line = block[piece.offset(used) :], line + used
        yield records


def _before(opening: re.Match[bytes]) -> int:
    """How many cells stand before the one that a line leaves open."""
    return len(cells_of(opening.group(1)) or ()) - 1 if opening.group(1) else 0


def _behind(closing: re.Match[bytes]) -> int:
    """How many whole cells stand behind the one that a line closes."""
    return len(cells_of(closing.group(2)[1:]) or ()) if closing.group(2) else 0


@dataclass(frozen=True)
class _Open:
    """Lines through which a quote stays open, or closes and another one opens.

    Where they stop depends on none of the quotes that are opened in them: all of these share one
    look ahead, else a file of nothing but such lines takes time by the square of its length.

    Attributes:
        stop: The line that closes the last cell or that nothing open goes through; the number of
            lines of the block where there is none.
        cells: Cells begun up to there, with those of the line that closes the last one.
        begun: Cells begun up to the end of each line with quotes.
        closing: How the last cell is closed; None where it is not.
    """

    stop: int = -1
    cells: int = 0
    begun: dict[int, int] = field(default_factory=dict)
    closing: re.Match[bytes] | None = None

    def cells_behind(self, number: int) -> int:
        """Cells begun behind this line."""
        return self.cells - self.begun[number]


class _Piece:
    """Lines of one block: where they are and what each is."""

    def __init__(self, block: bytes, columns: int, first_line: int, shapes: Shapes) -> None:
        self.block, self.columns, self.first_line = block, columns, first_line
        raw = np.frombuffer(block, np.uint8)
        self.raw = raw
        self.ends = np.flatnonzero(raw == _NEWLINE)
        self.starts = np.concatenate([[0], self.ends[:-1] + 1])
        crlf = raw[np.maximum(self.ends - 1, 0)] == _RETURN
        crlf &= self.ends > self.starts
        self.blank = self.ends - crlf == self.starts
        odd = (self._count(_QUOTE) > 0) | (self._count(_RETURN) > crlf)
        right = self._count(_COMMA) == columns - 1
        self.quoted = np.flatnonzero(odd)
        self.plain = ~odd & right & ~self.blank
        self.keep = self.plain | (self.blank & ~odd)
        self.wrong = ~odd & ~right & ~self.blank
        self.open = _Open()
        self.shapes = shapes
        shapes.learn(self._line(i).split(b",") for i in np.flatnonzero(self.plain)[: shapes.wanted])

    def offset(self, line: int) -> int:
        """Where a line of the block starts."""
        return int(self.starts[line]) if line < len(self.starts) else len(self.block)

    def cut(self, *, last: bool) -> tuple[Records, int]:
        """Return the records, and how many lines they and the malformed lines take."""
        used, spanned = len(self.ends), 0
        malformed = dict.fromkeys(np.flatnonzero(self.wrong).tolist(), WRONG_CELLS)
        behind = 0  # the first line that no record has taken yet
        for number in self._not_alone():
            if number < behind:
                continue
            end = self._end_of(number, last=last)
            if end is None:  # open at the end of the block: goes on with the next one
                used = number
                break
            if end < 0:
                whole = cells_of(self._line(number)) is not None
                malformed[number] = WRONG_CELLS if whole else NO_RECORD
                self.keep[number] = False
                continue
            for inside in range(number, end + 1):
                malformed.pop(inside, None)
            self.keep[number : end + 1] = True
            self.blank[number : end + 1] = False
            behind, spanned = end + 1, spanned + end - number
        keep = self.keep[:used]
        count = int((keep & ~self.blank[:used]).sum()) - spanned
        reasons = {self.first_line + i: why for i, why in sorted(malformed.items()) if i < used}
        if keep.all():
            data = self.block[: self.offset(used)]
        else:
            lengths = self.ends[:used] + 1 - self.starts[:used]
            data = self.raw[: self.offset(used)][np.repeat(keep, lengths)].tobytes()
        return Records(data, count, spanned > 0, reasons), used

    def _not_alone(self) -> list[int]:
        """Lines with quotes that are not records by themselves; keeps the others."""
        if not len(self.quoted):
            return []
        offsets = pa.py_buffer(np.append(self.starts, len(self.block)).astype(np.int64))
        buffers = [None, offsets, pa.py_buffer(self.block)]
        lines = pa.Array.from_buffers(pa.large_string(), len(self.starts), buffers)
        texts = pl.Series(lines.take(pa.array(self.quoted)))
        cell = _CELL.decode()
        times = f"{{{self.columns - 1}}}" if self.columns <= WIDE else "*"
        alone = texts.str.contains(rf"^{cell}(?:,{cell}){times}\r?\n$").to_numpy()
        if self.columns > WIDE:
            counts = [len(cells_of(self._line(int(i))) or ()) for i in self.quoted]
            alone = alone & (np.array(counts) == self.columns)
        self.keep[self.quoted[alone]] = True
        rows = (cells_of(self._line(i)) or [] for i in self.quoted[alone][: self.shapes.wanted])
        proper = (cells for cells in rows if not any(b'"' in c and c[:1] != b'"' for c in cells))
        self.shapes.learn([unquoted(cell) for cell in cells] for cells in proper)
        return [int(i) for i in self.quoted[~alone]]

    def _end_of(self, number: int, *, last: bool) -> int | None:
        """Last line of the record that starts here; -1: it is none; None: it goes on."""
        opening = _OPENS.fullmatch(self._line(number, strip=False))
        if opening is None:
            return -1
        if self.open.stop <= number:
            self.open = self._open_from(number)
        end = self.open.stop
        if end == len(self.ends):
            return -1 if last or self._span(number, end - 1) > LONGEST_CELL else None
        closing = self.open.closing
        if closing is None or self._span(number, end) > LONGEST_CELL:
            return -1
        if _before(opening) + 1 + self.open.cells_behind(number) != self.columns:
            return -1
        if self._like_rows(number, end, opening, closing):
            raise AmbiguousQuotesError(self.first_line + number, self.first_line + end)
        return end

    def _open_from(self, number: int) -> "_Open":
        """Where a quote that is open behind this line ends, and the cells begun on the way."""
        begun = {number: 0}
        cells = 0
        for other in self._quoted_after(number):
            line = self._line(other, strip=False)
            if not _STAYS.fullmatch(line):
                closing = _CLOSES.fullmatch(line)
                cells += _behind(closing) if closing else 0
                if closing is None or not closing.group(3):
                    return _Open(other, cells, begun, closing)
                cells += 1
            begun[other] = cells
        return _Open(len(self.ends), cells, begun)

    def _like_rows(
        self, first: int, last: int, opening: re.Match[bytes], closing: re.Match[bytes]
    ) -> bool:
        """Whether the lines of a record look like rows, each by itself."""
        if _before(opening) + opening.group(2).count(b",") + 1 != self.columns:
            return False
        after = [unquoted(cell) for cell in cells_of(closing.group(2)[1:]) or ()]
        ending = [*closing.group(1).split(b","), *(after if closing.group(2) else [])]
        between = [self._line(i).split(b",") for i in range(first + 1, last) if not self.blank[i]]
        alike = [self.shapes.fit(cells) for cells in between]
        if self.shapes.usable:
            return self.shapes.fit(ending) or sum(alike) * 2 > len(alike)
        return self.shapes.fit(ending) and all(alike)

    def _quoted_after(self, number: int) -> Iterator[int]:
        start = int(np.searchsorted(self.quoted, number, side="right"))
        return (int(i) for i in self.quoted[start:])

    def _span(self, first: int, last: int) -> int:
        return int(self.ends[last] - self.starts[first])

    def _line(self, number: int, *, strip: bool = True) -> bytes:
        line = self.block[self.starts[number] : self.ends[number]]
        return line.removesuffix(b"\r") if strip else line

    def _count(self, byte: int) -> NDArray[np.int64]:
        """How often each line has a byte."""
        found = np.flatnonzero(self.raw == byte)
        return np.diff(np.searchsorted(found, self.ends), prepend=0)
