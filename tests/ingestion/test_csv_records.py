import csv
import io
import sys

import fsspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinoloop.errors import BatchError
from kinoloop.ingestion import text_blocks
from kinoloop.ingestion.csv_records import LONGEST_CELL, cut
from kinoloop.ingestion.reading import read_chunks

HEADER = "user_id,video_id,timestamp,event,text"
ROWS = [f"u{i},v{i % 5},2025-01-01T00:00:{i:02d}Z,comment,nice" for i in range(20)]
STRAY = "a stray quote or line end: no record by RFC 4180"
CELLS = "another number of cells than the header"


def with_lines(changed, end="\n"):
    """The file with some lines changed; line numbers as a text editor shows them."""
    lines = [HEADER, *ROWS]
    for number, line in changed.items():
        lines[number - 1] = line
    return end.join([*lines, ""])


def row(number, text):
    return ROWS[number - 2].replace("nice", text)


def read(content):
    """Rows of a CSV file as tuples, and what is wrong with its other lines."""
    files = fsspec.filesystem("memory")
    with files.open("/zone/t.csv", "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    chunks = list(read_chunks(files, "/zone/t.csv"))
    frame = pl.concat([chunk.frame for chunk in chunks])
    told = {number: why for chunk in chunks for number, why in chunk.why.items()}
    assert sorted(told) == [number for chunk in chunks for number in chunk.malformed]
    assert sum(chunk.rows for chunk in chunks) == frame.height + len(told)
    return frame.rows(), told


def check_alone(content, malformed):
    """Every line but the malformed ones is a row, and no cell holds a neighbour."""
    rows, told = read(content)
    assert told == malformed
    assert len(rows) == len(ROWS) - len(malformed)
    assert [r[0] for r in rows] == [f"u{i}" for i in range(20) if i + 2 not in malformed]
    assert not any("\n" in cell or "2025" in cell for r in rows for cell in (r[0], r[4]))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "changed",
    [
        {5: row(5, '"so good')},
        {21: row(21, '"so good')},  # the last line
        {5: row(5, '"so good'), 9: row(9, '"the best')},
        {5: row(5, '"so good'), 6: row(6, '"the best'), 9: row(9, '"three')},
        {5: row(5, '"abc"def')},
        {5: row(5, '"abc" ')},
        {5: '"' + row(5, "nice")},
        {5: row(5, '"')},
        {5: row(5, '"""')},
        {5: row(5, '"so ""good""')},
        {5: row(5, "carriage\rreturn")},
    ],
)
def test_a_line_that_is_no_rfc_4180_is_left_out_alone(changed, end):
    check_alone(with_lines(changed, end), dict.fromkeys(changed, STRAY))


def test_a_stray_quote_in_front_of_quoted_neighbours_is_left_out_alone():
    changed = {n: row(n, '"quoted, and ""so"" on"') for n in (6, 8, 10)}
    rows, told = read(with_lines({5: row(5, '"so good'), **changed}))
    assert told == {5: STRAY}
    assert [r[4] for r in rows if r[4] != "nice"] == ['quoted, and "so" on'] * 3


def test_a_quote_inside_of_an_unquoted_cell_is_text():
    rows, told = read(with_lines({5: row(5, 'a 5" disk'), 9: row(9, 'nice "clip"')}))
    assert told == {}
    assert (rows[3][4], rows[7][4]) == ('a 5" disk', 'nice "clip"')


@pytest.mark.parametrize("tail", ["", ",", ',""', ",more"])
def test_a_second_quote_that_makes_another_number_of_cells_costs_the_first_line_only(tail):
    bad = ROWS[8].replace("v3", 'v3"') + tail
    rows, told = read(with_lines({5: row(5, '"so good'), 10: bad}))
    assert told.pop(5) == STRAY
    assert told == ({} if not tail else {10: CELLS})
    assert len(rows) == 19 - len(told)


@pytest.mark.parametrize("last", [6, 7, 10, 21])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_second_quote_that_closes_the_first_refuses_the_file_with_both_lines(last, end):
    changed = {5: row(5, '"so good'), last: row(last, 'the best"')}
    message = rf"failed stray_quote.* opened in line 5 and closed in line {last},"
    with pytest.raises(BatchError, match=message):
        read(with_lines(changed, end))


def test_two_quotes_around_rows_in_another_column_than_the_last_refuse_the_file():
    frame = "video_id,title,duration_s\n" + "".join(f"v{i},Sea,{i}.5\n" for i in range(9))
    frame = frame.replace("v3,Sea", 'v3,"Sea').replace("v5,Sea", 'v5,Sea"')
    with pytest.raises(BatchError, match="opened in line 5 and closed in line 7"):
        read(frame)


@pytest.mark.parametrize(
    "text",
    [
        "so good\nreally",
        "so good, really\nyes, and, so, on",
        "one, two, three, four, five\nsix, seven, eight, nine, ten",
        'she said ""yes""\n\n\nand left, ""quietly""',
        "so\r\ngood",
        "\n",
        "u1,v1\n2025-01-01",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_quoted_text_over_several_lines_is_one_row(text, end):
    rows, told = read(with_lines({5: row(5, f'"{text}"')}, end))
    assert told == {}
    assert len(rows) == 20
    assert rows[3][4] == text.replace('""', '"')


def test_line_numbers_count_lines_and_not_records():
    changed = {3: row(3, '"two\nlines"'), 5: "too,few", 6: "", 7: row(7, '"stray')}
    assert read(with_lines(changed))[1] == {6: CELLS, 8: STRAY}


def test_no_line_end_at_the_end_of_the_file():
    for text in ("nice", '"nice"', '"two\nlines"'):
        rows, told = read((HEADER + "\n" + "\n".join(ROWS) + "\n" + row(2, text)).encode())
        assert (len(rows), told) == (21, {})
    assert read(HEADER + "\n" + row(2, '"open'))[1] == {2: STRAY}


@pytest.mark.parametrize("header", ['user_id,"video_id,event', 'user_id,"video"_id,event'])
def test_a_stray_quote_in_the_header_refuses_the_file(header):
    with pytest.raises(BatchError, match=r"failed header.* first line, the header"):
        read(header + "\nu1,v1,view\n")


def test_lines_of_json_in_a_csv_are_called_so():
    with pytest.raises(BatchError, match=r"its lines are JSON: name it \.jsonl"):
        read('{"user_id":"u1","video_id":"v1"}\n')


def test_old_line_ends_are_line_ends():
    check_alone(with_lines({5: row(5, '"so good')}, "\r"), {5: STRAY})


def test_blocks_cut_anywhere_give_the_same_rows(monkeypatch):
    changed = {3: row(3, '"two\n\nlines"'), 5: row(5, '"stray'), 7: row(7, '"x, ""y"""')}
    content = with_lines(changed).encode()
    expected = read(content)
    for size in range(7, 300, 13):
        monkeypatch.setattr(text_blocks, "BLOCK_BYTES", size)
        assert read(content) == expected


def test_a_quote_that_stays_open_for_too_long_is_stray_whatever_follows():
    filler = ROWS * (LONGEST_CELL // len("".join(ROWS)) + 2)
    lines = [HEADER, row(2, '"so good'), *filler, row(2, 'the best"'), ""]
    rows, told = read("\n".join(lines))
    assert told == {2: STRAY}
    assert len(rows) == len(filler) + 1


def calls(content, columns):
    """How many functions cutting calls, those of C (one for each match of a cell) among them."""
    count = 0

    def see(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        records = list(cut(iter([content.encode()]), columns, first_line=1))
    finally:
        sys.setprofile(before)
    assert list(records[0].malformed) == list(range(1, content.count("\n") + 1))
    return count


@pytest.mark.parametrize("end", ["", 'u",a,a\n'])
@pytest.mark.parametrize("line", ['u","v","2025-01-01T00:00:01Z","view\n', 'u","a\n'])
def test_quotes_lost_at_both_ends_of_every_line_cost_work_by_the_number_of_lines(line, end):
    columns = line.count(",") + 1
    calls(line + end, columns)  # what libraries do once is not a part of the count
    few, many = (calls(line * lines + end, columns) for lines in (100, 400))
    assert many < 4.5 * few


def test_a_long_line_that_ends_many_open_quotes_is_looked_at_once():
    cells, lines = 2000, 'u","a\n' * 100
    calls(lines, 2)  # what libraries do once is not a part of the count
    short, long = (calls(f'{lines}u"{",a" * n}\n', 2) for n in (2, cells))
    assert long - short < 50 * cells


prose = st.text('aé ,"\n', max_size=12)
tables = st.lists(st.lists(prose, min_size=3, max_size=3), min_size=1, max_size=8)


@given(texts=tables, quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_whatever_a_csv_writer_writes_is_read_back_or_refused_by_its_lines(texts, quoting):
    """Refused is only a cell with line breaks whose lines look like rows of the file."""
    texts = [["plain"] * 3, *texts]
    rows = [(f"u{i}", *cells) for i, cells in enumerate(texts)]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n", quoting=quoting).writerows([("id", *"abc"), *rows])
    try:
        found, told = read(file.getvalue())
    except BatchError as err:
        assert err.check == "stray_quote"  # noqa: PT017 (only some inputs are refused)
        assert any(cell.count("\n") and "," in cell for row in rows for cell in row)
        return
    assert told == {}
    assert found == [tuple(cell or None for cell in row) for row in rows]


@given(text=st.text('u1,"\n\r é', max_size=200))
def test_no_line_is_lost_or_counted_twice(text):
    try:
        rows, told = read(f"a,b\n1,2\n{text}")
    except BatchError as err:
        assert err.check == "stray_quote"  # noqa: PT017 (only some inputs are refused)
        return
    lines = f"a,b\n1,2\n{text}".split("\n")
    spanned = sum(cell.count("\n") for row in rows for cell in row if cell)
    blank = sum(line.strip("\r") == "" for line in lines[1:])
    assert len(lines) - 1 - blank <= len(rows) + len(told) + spanned <= len(lines) - 1 + spanned
