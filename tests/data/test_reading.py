import fsspec
import polars as pl
import pytest

from kinoloop.data.reading import read_chunks, read_columns
from kinoloop.errors import BatchError

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
    with pytest.raises(BatchError, match=r"failed not_empty \(1 found\)"):
        read(tmp_path / name)


def test_file_with_a_header_and_no_rows_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n")
    with pytest.raises(BatchError, match="failed not_empty"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_file_that_is_not_what_its_name_says_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"a,b\n\xff\xfe\x00,1\n")
    with pytest.raises(BatchError, match=r"failed readable .* It is no readable"):
        read(tmp_path / name)


def test_reads_any_fsspec_filesystem():
    files = fsspec.filesystem("memory")
    with files.open("/zone/t.csv", "wb") as file:
        file.write(b"a\n1\n")
    assert [c.frame.to_dicts() for c in read_chunks(files, "/zone/t.csv")] == [[{"a": "1"}]]
