import re
from itertools import count

import pytest
from rich.console import Console

from kinoloop.cli.tables import show

NUMBERS = count(1234)


def printed(width, columns, rows, **options):
    console = Console(width=width, record=True, highlight=False)
    show(console, columns, rows, **options)
    return console.export_text()


def wide(n_columns):
    columns = ["", *(f"metric@{10 * at} of all" for at in range(n_columns))]
    rows = [
        [name, *(f"0.{next(NUMBERS)}" for _ in range(n_columns))]
        for name in ("champion (sequence with words)", "[dim]popularity[/dim]")
    ]
    return columns, rows


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
@pytest.mark.parametrize("n_columns", [1, 4, 12])
def test_no_number_is_ever_cut(width, n_columns):
    columns, rows = wide(n_columns)
    said = printed(width, columns, rows)
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= width
    for row in rows:
        for number in row[1:]:
            assert number in said


@pytest.mark.parametrize("width", [50, 60, 80])
def test_an_interval_stays_on_one_line(width):
    interval = "+0.0123 [+0.0001, +0.0245]"
    assert interval in printed(width, ["", "ndcg@10 − champion"], [["a long name " * 4, interval]])


def test_each_block_of_a_wide_table_names_its_rows():
    columns, rows = wide(12)
    said = printed(60, columns, rows)
    assert said.count("popularity") > 1
    assert said.count("popularity") == said.count("\n\n") + 1


def test_a_table_that_fits_is_one_block():
    columns, rows = wide(3)
    assert printed(200, columns, rows).count("popularity") == 1


def test_words_wrap_and_lose_nothing():
    text = "required not proven above 10 × by the interval, see docs/explanation/promotion.md"
    said = printed(40, ["gate", "required"], [["cost", text]], words=(0, 1))
    assert re.sub(r"\W", "", text) in re.sub(r"\W", "", said)
