from datetime import UTC, datetime

import pytest

from kinoloop.errors import DataError
from tests.ingestion.importers.reading import imported

AT = datetime(1997, 12, 4, 15, 55, 49, tzinfo=UTC)
INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n"


@pytest.fixture
def source(tmp_path):
    (tmp_path / "ml-100k.inter").write_text(INTER)
    (tmp_path / "ml-100k.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        '242\tKolya, "a film"\t1996\tComedy Sci-Fi\n1\tB\t\tunknown\n2\tC\t\t(no genres listed)\n'
    )
    return tmp_path


def test_ratings_and_items(source):
    videos, events = imported("recbole", source)
    assert events.to_dicts() == [
        {"user_id": "196", "video_id": "242", "timestamp": AT, "value": 3.0, "event": "rating"}
    ]
    assert videos["title"].to_list() == ['Kolya, "a film"', "B", "C"]
    assert videos["tags"].to_list() == [["Comedy", "Sci-Fi"], None, None]
    assert videos["category"].to_list() == ["Comedy", None, None]
    assert videos["release_year"].to_list() == ["1996", "", ""]


def test_without_ratings_and_items_there_are_views_of_bare_videos(tmp_path):
    (tmp_path / "x.inter").write_text(
        "user_id:token\titem_id:token\ttimestamp:float\n1\tb\t881250949000\n1\ta\t881250949000\n"
    )
    videos, events = imported("recbole", tmp_path)
    assert events["event"].to_list() == ["view", "view"]
    assert events["timestamp"].to_list() == [AT, AT]
    assert videos["video_id"].to_list() == ["a", "b"]
    assert videos["title"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user_id\titem_id\n", "is not an atomic file of RecBole: expected a header of name:type"),
        ("user_id:token\titem_id:token\n", "user_id and item_id and timestamp, found"),
    ],
)
def test_a_file_of_another_shape_is_an_error(tmp_path, header, message):
    (tmp_path / "x.inter").write_text(f"{header}1\t2\n")
    with pytest.raises(DataError, match=message):
        imported("recbole", tmp_path)


def test_a_file_that_is_not_utf_8_is_an_error(source):
    (source / "ml-100k.inter").write_bytes(INTER.replace("242", "é").encode("latin-1"))
    with pytest.raises(DataError, match="is not UTF-8, the encoding of this format"):
        imported("recbole", source)
