from datetime import UTC, datetime

import pytest

from kinoloop.errors import DataError
from tests.ingestion.importers.reading import imported

MATRIX = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
DAYS = "video_id,date,author_id,video_type,upload_dt,video_duration,music_id,show_cnt\n"
WORDS = (
    "video_id,manual_cover_text,caption,topic_tag,"
    "first_level_category_name,second_level_category_name\n"
)


@pytest.fixture
def source(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "big_matrix.csv").write_text(
        f"{MATRIX}0,3649,13838,10867,2020-07-05 00:08:23.438,20200705,1593878903.438,1.27\n"
    )
    (data / "small_matrix.csv").write_text(f"{MATRIX}14,148,4381,6067,,,,0.72\n")
    (data / "item_daily_features.csv").write_text(
        f"{DAYS}3649,20200705,a1,NORMAL,2020-07-01,10867,m1,5\n"
        "3649,20200706,a1,NORMAL,2020-07-01,10867,m1,900\n148,20200705,a2,AD,2020-07-02,,m2,7\n"
    )
    (data / "kuairec_caption_category.csv").write_text(
        f'{WORDS}3649,UNKNOWN,"A cat, asleep","[cats, sleep]",Pets,Cats\n'
        "148,Cover,UNKNOWN,[],UNKNOWN,UNKNOWN\n"
    )
    return tmp_path


def test_watches_of_both_matrices_become_views(source):
    _, events = imported("kuairec", source)
    first, second = events.sort("surface").to_dicts()
    assert first["timestamp"] == datetime(2020, 7, 4, 16, 8, 23, 438_000, tzinfo=UTC)
    assert (first["event"], first["surface"]) == ("view", "big_matrix")
    assert first["watch_s"] == pytest.approx(13.838)
    assert second["timestamp"] is None
    assert second["surface"] == "small_matrix"


def test_a_video_is_one_row_without_statistics_of_days_or_words_for_none(source):
    videos, _ = imported("kuairec", source)
    first, second = videos.to_dicts()
    assert first["title"] == "A cat, asleep"
    assert first["description"] is None
    assert (first["category"], first["tags"]) == ("Pets", ["cats", "sleep", "Cats"])
    assert (first["creator_id"], first["duration_s"]) == ("a1", 10.867)
    assert first["published_at"] == "2020-07-01T00:00:00+08:00"
    assert "show_cnt" not in first
    assert (second["title"], second["category"], second["tags"]) == (None, None, None)
    assert second["description"] == "Cover"


def test_videos_without_words_are_imported_and_reported(source, caplog):
    (source / "data" / "kuairec_caption_category.csv").unlink()
    videos, _ = imported("kuairec", source)
    assert videos["title"].to_list() == [None, None]
    assert "videos have no words" in caplog.text


def test_a_folder_of_something_else_is_an_error(source):
    (source / "data" / "small_matrix.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="has no column 'user_id'; it is not a file of KuaiRec"):
        imported("kuairec", source)
    (source / "data" / "big_matrix.csv").unlink()
    (source / "data" / "small_matrix.csv").unlink()
    with pytest.raises(DataError, match=r"does not look like kuairec: big_matrix\.csv"):
        imported("kuairec", source)
