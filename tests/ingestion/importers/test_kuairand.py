from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from kinoloop.errors import DataError
from kinoloop.ingestion.importers.kuairand import LOGS_BEGIN
from tests.ingestion.importers.reading import imported

AT = datetime(2022, 4, 25, 3, 4, 5, 678000, tzinfo=UTC)
MS = int(AT.timestamp() * 1000)
LOG = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,"
    "is_hate,long_view,play_time_ms,duration_ms,tab\n"
)
FEATURES = (
    "video_id,author_id,video_type,upload_dt,video_duration,music_id,tag\n"
    '4,70,NORMAL,2022-04-10,87433.0,99,"39,2"\n5,71,AD,2022-04-11,,98,unknown\n'
)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "log_standard.csv").write_text(
        LOG
        + f"1,4,20220425,1100,{MS},1,1,0,1,1,0,1,48448,24016,1\n"
        + f"1,5,20220424,300,{MS},0,0,0,0,0,1,0,0,0,0\n"
    )
    (tmp_path / "video_features_basic.csv").write_text(FEATURES)
    return tmp_path


def test_one_log_row_becomes_an_event_for_each_thing_that_happened(source):
    _, events = imported("kuairand", source)
    found = sorted(events.select("video_id", "event").iter_rows())
    assert found == [
        ("4", "comment"),
        ("4", "impression"),
        ("4", "like"),
        ("4", "share"),
        ("4", "view"),
        ("5", "dislike"),
        ("5", "impression"),
    ]
    assert set(events["timestamp"]) == {AT}
    assert events.filter(event="view")["watch_s"].to_list() == pytest.approx([48.448])


def test_what_the_log_states_rides_on_the_impression_as_it_is(source):
    _, events = imported("kuairand", source)
    seen = events.filter(event="impression").sort("video_id")
    assert seen["duration_s"].to_list() == pytest.approx([24.016, 0.0])
    assert seen["logged_date"].to_list() == ["2022-04-25", "2022-04-24"]
    assert seen["logged_hour"].to_list() == [11.0, 3.0]
    assert set(seen["utc_offset_h"]) == {8.0}


def test_duplicated_rows_stay_duplicated(source):
    path = source / "log_standard.csv"
    path.write_text(path.read_text() + path.read_text().split("\n", 1)[1])
    _, events = imported("kuairand", source)
    assert events.filter(event="impression").height == 4


def test_videos_have_tags_and_no_statistics_of_the_whole_period(source):
    frame = pl.read_csv(source / "video_features_basic.csv").with_columns(
        like_cnt=1, show_user_num=2
    )
    frame.write_parquet(source / "item_features.parquet")
    (source / "video_features_basic.csv").unlink()
    videos, _ = imported("kuairand", source)
    assert not [name for name in videos.columns if name.endswith(("_cnt", "_num"))]
    first = videos.row(0, named=True)
    assert (first["tags"], first["category"], first["duration_s"]) == (["39", "2"], "39", 87.433)
    assert first["published_at"] == "2022-04-10T00:00:00+08:00"
    assert videos["tags"].to_list()[1] is None


def test_histories_keep_their_order_and_end_before_the_logs(source):
    last = LOGS_BEGIN - timedelta(days=1)
    pl.DataFrame(
        {
            "user_id": [7, 8],
            "last_time_ms": [int(last.timestamp() * 1000), None],
            "watch_seq": [[5, 4, 5], [4]],
            "like_seq": [[4, 9], []],
        },
        schema_overrides={"like_seq": pl.List(pl.Int64)},
    ).write_parquet(source / "user_sequences.parquet")
    _, events = imported("kuairand", source)
    mine = events.filter(user_id="7").sort("timestamp")
    assert mine.select("event", "video_id").rows() == [
        ("like", "9"),
        ("view", "5"),
        ("view", "4"),
        ("like", "4"),
        ("view", "5"),
    ]
    assert mine["timestamp"].to_list()[-1] == last
    assert events.filter(user_id="8")["timestamp"].to_list() == [LOGS_BEGIN]


def test_histories_written_as_text_are_read(source):
    (source / "sequences.csv").write_text('user_id,watch_seq\n7,"[5, 4]"\n')
    _, events = imported("kuairand", source)
    assert events.filter(user_id="7").sort("timestamp")["video_id"].to_list() == ["5", "4"]


def test_bad_values_arrive_as_they_were(source):
    (source / "log_standard.csv").write_text(LOG + "1,4,20220425,1100,soon,1,0,0,0,0,0,0,x,y,1\n")
    _, events = imported("kuairand", source)
    assert set(events["timestamp"]) == {"soon"}
    assert events.filter(event="view")["watch_s"].to_list() == ["x"]
    assert events.filter(event="impression")["duration_s"].to_list() == ["y"]


def test_a_broken_line_is_an_error_that_names_it(source):
    (source / "log_standard.csv").write_text(LOG + "1,4\n")
    with pytest.raises(DataError, match="line 2 is not a row"):
        imported("kuairand", source)


def test_a_folder_without_log_or_features_is_an_error(source):
    (source / "video_features_basic.csv").unlink()
    with pytest.raises(DataError, match="video features is missing, a CSV or Parquet file with"):
        imported("kuairand", source)
    (source / "log_standard.csv").unlink()
    with pytest.raises(DataError, match="a log is missing"):
        imported("kuairand", source)
