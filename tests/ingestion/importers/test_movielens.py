from datetime import UTC, datetime

import pytest

from kinoloop.errors import DataError
from tests.ingestion.importers.reading import imported

FLAGS = "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0"
AT = datetime(1997, 12, 4, 15, 55, 49, tzinfo=UTC)


def test_ml_100k(tmp_path):
    (tmp_path / "u.data").write_text("196\t242\t3\t881250949\n186\t302\t4\t891717742\n")
    (tmp_path / "u.item").write_bytes(
        f"242|Amélie (2001)|24-Jan-1997||http://x|{FLAGS}\n302|B|||\n".encode("latin-1")
    )
    videos, events = imported("movielens", tmp_path)
    assert events.height == 2
    first = {"user_id": "196", "video_id": "242", "event": "rating", "value": 3.0, "timestamp": AT}
    assert events.row(0, named=True) == first
    assert videos["title"].to_list() == ["Amélie (2001)", "B"]
    assert videos["tags"].to_list() == [["Animation", "Children's", "Comedy"], None]
    assert videos["category"].to_list() == ["Animation", None]


def test_ml_1m(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::1193::5::881250949\n")
    (tmp_path / "movies.dat").write_bytes("1193::Amélie::Drama|War\n".encode("latin-1"))
    videos, events = imported("movielens", tmp_path)
    assert events["timestamp"].to_list() == [AT]
    assert videos.row(0, named=True) == {
        "video_id": "1193",
        "title": "Amélie",
        "tags": ["Drama", "War"],
        "category": "Drama",
    }


def test_ml_latest(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,3,4.5,881250949\n")
    (tmp_path / "movies.csv").write_text('movieId,title,genres\n3,"Grumpy, Old",Comedy|Drama\n')
    videos, events = imported("movielens", tmp_path)
    assert events["value"].to_list() == [4.5]
    assert videos["title"].to_list() == ["Grumpy, Old"]


def test_bad_values_arrive_as_they_were(tmp_path):
    (tmp_path / "u.data").write_text("1\t2\tthree\t881250949\n1\t2\t3\tsoon\n1\n")
    (tmp_path / "u.item").write_text("2|B|||\n")
    _, events = imported("movielens", tmp_path)
    assert events["value"].to_list() == ["three", "3.0", None]
    assert events["timestamp"].to_list() == ["1997-12-04T15:55:49.000000+00:00", "soon", None]


def test_a_broken_line_of_a_csv_is_an_error_that_names_it(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,3\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n3,A,B\n")
    with pytest.raises(DataError, match="line 2 is not a row"):
        imported("movielens", tmp_path)


def test_a_csv_without_the_columns_is_an_error(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n1,3,2\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n3,A,B\n")
    with pytest.raises(DataError, match="has no column 'timestamp'"):
        imported("movielens", tmp_path)


def test_a_folder_of_something_else_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"does not look like movielens: neither u\.data"):
        imported("movielens", tmp_path)
    (tmp_path / "u.data").write_text("1\t2\t3\t4\n")
    with pytest.raises(DataError, match=r"u.item is missing; there is u.data"):
        imported("movielens", tmp_path)


def test_ml_10m_is_in_utf_8_and_has_half_stars(tmp_path):
    (tmp_path / "ratings.dat").write_text("1::122::4.5::881250949\n")
    (tmp_path / "movies.dat").write_text("122::Amélie (Le fabuleux destin)::Drama\n", "utf-8")
    videos, events = imported("movielens", tmp_path)
    assert videos["title"].to_list() == ["Amélie (Le fabuleux destin)"]
    assert events["value"].to_list() == [4.5]


def test_what_stands_for_no_genre_is_none(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,3,4.5,881250949\n")
    (tmp_path / "movies.csv").write_text(
        "movieId,title,genres\n3,A,(no genres listed)\n4,B,\n5,C,Comedy|Drama\n"
    )
    videos, _ = imported("movielens", tmp_path)
    assert videos["tags"].to_list() == [None, None, ["Comedy", "Drama"]]
    assert videos["category"].to_list() == [None, None, "Comedy"]


def test_the_flag_unknown_of_ml_100k_is_no_genre(tmp_path):
    flags = "1|" + "|".join("0" * 18)
    (tmp_path / "u.data").write_text("1\t2\t3\t881250949\n")
    (tmp_path / "u.item").write_text(f"2|unknown||||{flags}\n")
    videos, _ = imported("movielens", tmp_path)
    assert videos["title"].to_list() == ["unknown"]
    assert videos["category"].to_list() == [None]
