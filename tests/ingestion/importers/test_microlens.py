from datetime import timedelta

import pytest

from kinoloop.errors import DataError
from kinoloop.ingestion.importers.microlens import NEWEST
from tests.ingestion.importers.reading import imported


@pytest.fixture
def source(tmp_path):
    (tmp_path / "X_pairs.tsv").write_text("1\t20 10 30\n2\t10\n3\n")
    (tmp_path / "X_titles.csv").write_text('item,title\n10,"Duck, fried # food"\n20,B\n30,C\n')
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "10.mp4").write_bytes(b"clip")
    return tmp_path


def test_order_is_kept_by_made_up_times(source):
    _, events = imported("microlens", source)
    first = events.filter(user_id="1").sort("timestamp")
    assert first["video_id"].to_list() == ["20", "10", "30"]
    assert first["timestamp"].to_list() == [NEWEST - timedelta(hours=h) for h in (2, 1, 0)]
    assert set(events["event"]) == {"comment"}


def test_a_user_without_videos_is_not_dropped(source):
    _, events = imported("microlens", source)
    assert events.filter(user_id="3")["video_id"].to_list() == [None]


def test_local_clips_become_media(source):
    videos, _ = imported("microlens", source)
    assert videos["media"].to_list() == [str(source / "videos" / "10.mp4"), None, None]
    assert videos["title"][0] == "Duck, fried # food"


def test_a_folder_without_pairs_or_with_two_is_an_error(source):
    (source / "Y_pairs.tsv").write_text("1\t2\n")
    with pytest.raises(DataError, match=r"expected one \*_pairs.tsv, found X_pairs.tsv, Y_pairs"):
        imported("microlens", source)


def test_titles_of_another_shape_are_an_error(source):
    (source / "X_titles.csv").write_text("id,name\n1,A\n")
    with pytest.raises(DataError, match="is not a CSV of item,title: it has no column 'item'"):
        imported("microlens", source)


def test_real_times_are_used_where_a_release_has_them(tmp_path):
    (tmp_path / "X_pairs.csv").write_text("user,item,timestamp\n1,10,1583378629552\n1,11,soon\n")
    (tmp_path / "X_pairs.tsv").write_text("1\t10 11\n")
    (tmp_path / "X_title_en.csv").write_text('item,title\n10,"A"\n11,"B"\n')
    (tmp_path / "X_title.csv").write_text('item,title\n10,"甲"\n11,"乙"\n')
    videos, events = imported("microlens", tmp_path)
    assert videos["title"].to_list() == ["A", "B"]
    assert events["timestamp"].to_list() == ["2020-03-05T03:23:49.552000+00:00", "soon"]


def test_made_up_times_are_reported(source, caplog):
    imported("microlens", source)
    assert "X_pairs.tsv has no times; they are made up" in caplog.text
