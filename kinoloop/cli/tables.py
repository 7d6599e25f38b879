"""Tables that fit the terminal: words wrap, numbers are never cut.

A table that is wider than the terminal is printed in blocks, one below the other, each with the
first column, as a person would fold a wide sheet. What is piped into a file follows `COLUMNS`.
"""

from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

PADDING = 2  # columns of the terminal, around each cell
NARROWEST = 12  # of a column of words


def show(
    console: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: Collection[int] = (0,),
) -> None:
    """Print a table.

    Args:
        console: Where to.
        columns: Their titles; the first one names the rows.
        rows: Cells, with rich's markup.
        words: Numbers of the columns that may wrap; the others hold numbers and are never cut.
    """
    cells = list(rows)
    spans = [
        _span(title, [row[at] for row in cells], wraps=at in words)
        for at, title in enumerate(columns)
    ]
    for number, block in enumerate(_blocks([low for low, _ in spans], console.width)):
        if number:
            console.print()
        table = Table(box=None, padding=(0, 1))
        for at, width in zip(
            block, _widths([spans[at] for at in block], console.width), strict=True
        ):
            table.add_column(columns[at], width=width, overflow="fold")
        for row in cells:
            table.add_row(*(row[at] for at in block))
        console.print(table)


def _span(title: str, cells: Sequence[str], *, wraps: bool) -> tuple[int, int]:
    """How narrow a column may become, and how wide it would be."""
    longest = max((Text.from_markup(cell).cell_len for cell in cells), default=0)
    heading = Text.from_markup(title)
    word = max((part.cell_len for part in heading.split(" ")), default=0)
    low = min(max(longest, word), NARROWEST) if wraps else max(longest, word)
    return low, max(longest, heading.cell_len)


def _blocks(lows: Sequence[int], width: int) -> list[list[int]]:
    """Columns of each block: the first one, and as many of the others as fit beside it."""
    blocks = [[0]]
    used = lows[0] + PADDING
    for at in range(1, len(lows)):
        needed = lows[at] + PADDING
        if used + needed > width and len(blocks[-1]) > 1:
            blocks.append([0])
            used = lows[0] + PADDING
        blocks[-1].append(at)
        used += needed
    return blocks


def _widths(spans: Sequence[tuple[int, int]], width: int) -> list[int]:
    """Widths of a block's columns: the least of each, and the room that is left shared out."""
    lows = [low for low, _ in spans]
    wanted = [high - low for low, high in spans]
    left = max(0, width - sum(lows) - PADDING * len(spans))
    shared = [min(want, want * left // max(1, sum(wanted))) for want in wanted]
    return [low + more for low, more in zip(lows, shared, strict=True)]
