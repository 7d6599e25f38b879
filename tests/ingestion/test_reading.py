import fsspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kinoloop.errors import BatchError
from kinoloop.ingestion.reading import read_chunks, read_columns

FILES = fsspec.filesystem("file")


def read(path, rows=500_000):
    return list(read_chunks(FILES, str(path), rows=rows))


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_chunks_are_bounded_and_lose_no_row(tmp_path, ending):
    frame = pl.DataFrame({"n": [str(i) for i in range(25)]})
    path = tmp_path / f"t.{ending}"
    {"parquet": frame.write_parquet, "csv": frame.write_csv, "jsonl": frame.write_ndjson}[ending](
        path
    )
    chunks = read(path, rows=10)
    assert [chunk.rows for chunk in chunks] == [10, 10, 5]
    assert pl.concat(chunk.frame for chunk in chunks).equals(frame)
    assert read_columns(FILES, str(path)) == ["n"]


def test_csv_values_stay_text_and_empty_ones_are_null(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n007,"x\ny"\n,""\n')
    (chunk,) = read(path)
    assert chunk.frame.to_dicts() == [{"a": "007", "b": "x\ny"}, {"a": None, "b": None}]


def test_csv_lines_with_another_number_of_fields_are_counted_by_number(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\nsecret\n3,4\n5,6,7\n")
    (chunk,) = read(path)
    assert chunk.frame.height == 2
    assert chunk.malformed == [3, 5]


def test_csv_with_malformed_lines_only_still_counts_them(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1\n")
    assert [chunk.rows for chunk in read(path)] == [1]


def test_broken_json_lines_are_counted_by_number(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1, "b": [1]}\n{broken\n\n[1]\n{"c": true}\n')
    (chunk,) = read(path)
    assert chunk.malformed == [2, 4]
    assert chunk.frame.to_dicts() == [
        {"a": "1", "b": "[1]", "c": None},
        {"a": None, "b": None, "c": "true"},
    ]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_empty_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(BatchError, match=r"failed not_empty\. Nothing"):
        read(tmp_path / name)


def test_file_with_a_header_and_no_rows_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n")
    with pytest.raises(BatchError, match="failed not_empty"):
        read(tmp_path / "t.csv")


def test_file_that_is_not_what_its_name_says_is_refused(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"a,b\n\xff\xfe\x00,1\n")
    with pytest.raises(BatchError, match=r"failed readable\..* It is not a readable"):
        read(tmp_path / "t.parquet")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-8"])
@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", "a,b\n1,Dvořák\n"), ("t.jsonl", '{"a": 1, "b": "Dvořák"}\n')],
)
def test_text_in_any_encoding_with_a_mark_is_read(tmp_path, name, content, encoding):
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    assert read(path)[0].frame.to_dicts() == [{"a": "1", "b": "Dvořák"}]
    assert read_columns(FILES, str(path)) == ["a", "b"]


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("cp1252", "line 41 is not UTF-8; the file looks like cp1252"),
        ("utf-16-le", "looks like utf-16-le without a byte order mark"),
        ("utf-16-be", "looks like utf-16-be without a byte order mark"),
        ("utf-32-le", "looks like utf-32-le without a byte order mark"),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_another_encoding_is_refused_by_the_name_that_was_detected(
    tmp_path, name, encoding, message
):
    french = "Le garçon a mangé une crème brûlée à la fenêtre du château, où il était né en été"
    line = {"t.csv": "1,{}\n", "t.jsonl": '{{"a": 1, "b": "{}"}}\n'}[name]
    text = "".join(line.format(title) for title in ["The sea and the sky"] * 39 + [french] * 9)
    head = "a,b\n" if name == "t.csv" else '{"a": 1, "b": "x"}\n'
    (tmp_path / name).write_bytes((head + text).encode(encoding))
    with pytest.raises(BatchError, match=rf"failed encoding\..* was detected: .*{message}"):
        read(tmp_path / name)


def written(path):
    match path.suffix:
        case ".csv":
            path.write_text("a,b, b \n1,2,3\n")
        case ".jsonl":
            path.write_text('{"a": 1, "b": 2}\n{"a": 1, "b": 2, "b": 3}\n')
        case _:
            columns = [pa.array([1]), pa.array([2]), pa.array([3])]
            pq.write_table(pa.table(columns, names=["a", "b", "b"]), path)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_a_name_that_two_columns_have_is_refused_by_file_and_column(tmp_path, name):
    path = written(tmp_path / name)
    for look in (read, lambda path: read_columns(FILES, str(path))):
        with pytest.raises(BatchError, match=rf"{name}, column 'b' failed column_unique"):
            look(path)


def test_spaces_around_the_names_of_columns_are_no_part_of_them(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a, b ,"c "\n1,2,3\n')
    assert read_columns(FILES, str(path)) == list(read(path)[0].frame.columns) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"a": 1},\n{"a": 2}]\n', "one JSON array.*one object per line"),
        ('\n[{"a": 1}, {"a": 2}]', "one JSON array"),
        ('[\n{"a": 1}\n]\n', "one JSON array"),
        ('{\n"a": 1\n}\n', "None of its first 3 lines is a JSON object"),
    ],
)
def test_json_that_is_no_jsonl_is_refused_by_what_it_is(tmp_path, content, message):
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(BatchError, match=message):
        read_columns(FILES, str(tmp_path / "t.jsonl"))


@pytest.mark.parametrize("columns", [1000, 20_000])
def test_a_csv_with_many_columns_and_quotes_is_read(tmp_path, columns):
    lines = [",".join(['"x"'] * columns)] * 2
    header = ",".join(f"c{i}" for i in range(columns))
    (tmp_path / "t.csv").write_text("\n".join([header, *lines, lines[0] + ',"x"']))
    (chunk,) = read(tmp_path / "t.csv")
    assert (chunk.frame.shape, chunk.malformed) == ((2, columns), [4])


def test_reads_any_fsspec_filesystem():
    files = fsspec.filesystem("memory")
    with files.open("/zone/t.csv", "wb") as file:
        file.write(b"a\n1\n")
    assert [c.frame.to_dicts() for c in read_chunks(files, "/zone/t.csv")] == [[{"a": "1"}]]


@pytest.mark.parametrize(
    "line",
    [
        r'{"user_id": "\ud800"}',
        r'{"user_id": "\uD800x"}',
        r'{"user_id": "a", "\udfff": 1}',
        r'{"user_id": "a", "tags": [{"deep": "\udc00\ud800"}]}',
    ],
)
def test_half_a_surrogate_pair_costs_its_own_line_and_changes_no_value(tmp_path, line):
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"user_id": "?"}}\n{line}\n' + r'{"user_id": "\ud83c\udfac"}' + "\n")
    (chunk,) = read(path)
    assert chunk.why == {2: "half of a surrogate pair: no text"}
    assert chunk.frame["user_id"].to_list() == ["?", "\U0001f3ac"]


@pytest.mark.parametrize("value", ['{"id": "anna"}', '["anna"]', "true", "false", "NaN", "1e999"])
@pytest.mark.parametrize("name", ["user_id", "video_id", "event_id", " user_id"])
def test_only_text_and_numbers_are_ids(tmp_path, name, value):
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"{name}": "true"}}\n{{"{name}": {value}}}\n{{"{name}": 7}}\n')
    (chunk,) = read(path)
    assert chunk.why == {2: "an id that is neither text nor a number"}
    assert chunk.frame[name.strip()].to_list() == ["true", "7"]


def test_a_file_without_a_row_says_what_its_objects_lack(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"user_id": true}\n')
    with pytest.raises(BatchError, match="Found: an id that is neither text nor a number"):
        read_columns(FILES, str(tmp_path / "t.jsonl"))


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("t.csv", "v,{0},{0}\n", "header names column 2 and column 3 alike"),
        ("t.jsonl", '{{"v": 1, "{0}": 1, "{0}": 2}}\n', "line 1 names column 2 and column 3 alike"),
        ("t.jsonl", '{{"v": {{"{0}": 1, "{0}": 2}}}}\n', "names column 1 and column 2 alike"),
        ("t.jsonl", '{{"{0}": 1, " {0}": 2}}\n', "header names column 1 and column 2 alike"),
    ],
)
@pytest.mark.parametrize("user", ["anna@x.org", "4711", "u4711", "a" * 60, "3f2a-11"])
def test_a_doubled_name_that_may_be_a_user_is_reported_by_its_place(
    tmp_path, name, content, where, user
):
    (tmp_path / name).write_text(content.format(user))
    with pytest.raises(BatchError, match="failed column_unique") as caught:
        read(tmp_path / name)
    assert where in str(caught.value)
    assert user not in str(caught.value)


def test_a_doubled_name_of_the_format_is_reported(tmp_path):
    (tmp_path / "t.csv").write_text("user_id,anna@x.org,user_id\n")
    with pytest.raises(BatchError, match="column 'user_id' failed column_unique"):
        read(tmp_path / "t.csv")
