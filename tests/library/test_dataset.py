import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import kinoloop as kl
from tests.library import toy

EVENTS, VIDEOS = toy.events(), toy.videos()
AS_EPOCH = EVENTS.with_columns(pl.col("timestamp").dt.epoch("s"))


def _same(one, other):
    assert one.users == other.users
    assert one.interactions.equals(other.interactions)
    assert one.videos.equals(other.videos)


@pytest.mark.parametrize(
    "shaped",
    [
        pl.DataFrame.lazy,
        pl.DataFrame.to_pandas,
        pl.DataFrame.to_arrow,
        lambda frame: frame.to_pandas().set_index(frame.columns[0], drop=False),
    ],
    ids=["lazy", "pandas", "arrow", "pandas with an index"],
)
def test_frames_of_every_library_are_the_same_dataset(shaped):
    expected = kl.Dataset.from_frames(EVENTS, VIDEOS)
    _same(kl.Dataset.from_frames(shaped(EVENTS), shaped(VIDEOS)), expected)


@pytest.mark.parametrize(
    "moments",
    [
        pl.col("timestamp").dt.to_string("iso:strict"),
        pl.col("timestamp").dt.epoch("s"),
        pl.col("timestamp").dt.epoch("ms").cast(pl.String),
        pl.col("timestamp").dt.replace_time_zone(None),
    ],
)
def test_times_are_read_as_landing_files_are(moments):
    expected = kl.Dataset.from_frames(EVENTS, VIDEOS)
    _same(kl.Dataset.from_frames(EVENTS.with_columns(timestamp=moments), VIDEOS), expected)


def test_whole_numbers_are_ids():
    numbers = EVENTS.with_columns(pl.col("user_id").str.slice(1).cast(pl.Int64))
    assert kl.Dataset.from_frames(numbers, VIDEOS).users[:3] == ("0", "1", "10")


def test_it_says_what_it_holds():
    data = kl.Dataset.from_frames(EVENTS, VIDEOS)
    assert repr(data) == (
        "Dataset(30 users, 12 videos, 150 interactions, 2026-01-01 to 2026-02-02)"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit("soon").alias("timestamp"), "row 0, column 'timestamp': a text of 4 characters is"),
        (
            pl.when(pl.col("user_id") == "u02")
            .then(pl.lit("v99"))
            .otherwise("video_id")
            .alias("video_id"),
            r"row 10, column 'video_id': no row of videos has .*, got 'v99'. .* fit: 5 of 150",
        ),
        (pl.lit("wink").alias("event"), "row 0, column 'event': event is none of impression"),
        (pl.lit(-3.0).alias("watch_s"), "row 0, column 'watch_s': watch_s is negative"),
        (pl.lit(None, pl.String).alias("user_id"), "row 0, column 'user_id': user_id is empty"),
        (pl.lit(True).alias("timestamp"), "column 'timestamp': Its type is Boolean, expected a"),
        (
            pl.lit([1.5]).alias("video_id"),
            "column 'video_id': Its type is List.* value is .1.5",
        ),
    ],
)
def test_what_does_not_fit_is_reported_by_row_column_and_value(change, message):
    with pytest.raises(kl.DataError, match=message):
        kl.Dataset.from_frames(EVENTS.with_columns(change), VIDEOS)


def test_a_column_that_is_missing_is_named():
    with pytest.raises(kl.DataError, match="events: no column is called 'timestamp'; there are us"):
        kl.Dataset.from_frames(EVENTS.drop("timestamp"), VIDEOS)
    films = EVENTS.select(userId="user_id", movieId="video_id", when="timestamp")
    message = "no column is called 'user_id' and none 'video_id' .*there are userId, movieId, when;"
    with pytest.raises(kl.DataError, match=message):
        kl.Dataset.from_frames(films)
    with pytest.raises(kl.DataError, match="videos: no column is called 'video_id'; there are id;"):
        kl.Dataset.from_frames(EVENTS, VIDEOS.select(id="video_id"))


def test_two_rows_of_a_video_that_disagree_are_refused_and_equal_ones_are_one():
    equal = pl.concat([VIDEOS, VIDEOS.head(2)])
    assert len(kl.Dataset.from_frames(EVENTS, equal).videos) == 12
    other = VIDEOS.head(1).with_columns(title=pl.lit("Another"))
    with pytest.raises(kl.DataError, match="videos, row 12, column 'video_id': an earlier row of"):
        kl.Dataset.from_frames(EVENTS, pl.concat([VIDEOS, other]))


def test_rows_that_do_not_fit_are_set_aside_where_asked():
    odd = EVENTS.with_columns(
        timestamp=pl.when(pl.col("user_id") == "u01").then(None).otherwise("timestamp")
    )
    data = kl.Dataset.from_frames(odd, VIDEOS, errors="quarantine")
    assert "u01" not in data.users
    assert data.quarantine.rows()[0] == (
        "events", 5, "timestamp", "timestamp is empty", None
    )  # fmt: skip
    assert data.quarantine.height == 5


def test_a_pandas_column_of_mixed_types_is_named_with_its_first_odd_value():
    mixed = EVENTS.to_pandas()
    mixed["user_id"] = mixed["user_id"].astype(object)
    mixed.loc[3, "user_id"] = 7
    with pytest.raises(kl.DataError, match="row 3, column 'user_id': 7 is int, the values before"):
        kl.Dataset.from_frames(mixed, VIDEOS)


@pytest.mark.parametrize(
    "thing",
    [[1, 2], {"user_id": []}, None, "events.csv", pd.Series([1]), pa.chunked_array([[1]])],
)
def test_what_is_no_frame_is_refused(thing):
    with pytest.raises(kl.DataError, match="events: "):
        kl.Dataset.from_frames(thing, VIDEOS)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (EVENTS.lazy().select("nothing"), "cannot be collected: ColumnNotFoundError"),
        (pl.scan_parquet("nowhere.parquet"), "cannot be collected: FileNotFoundError"),
        (
            EVENTS.lazy().select(
                pl.col("user_id").map_elements(lambda _: 1 / 0, return_dtype=pl.Int64)
            ),
            "cannot be collected: ",
        ),
        (pd.DataFrame, "got builtins.type, expected a frame"),
        (pa.table([[1], [2]], names=["user_id", "user_id"]), "Arrow table cannot be read: .*uniq"),
        (pd.DataFrame({"user_id": [2**70, 1]}), "column 'user_id' has the type object"),
        (pd.DataFrame({"user_id": [1j]}), "column 'user_id' has the type complex128"),
        (pd.DataFrame({"user_id": [pd.NA, "a", 1]}), "row 2, column 'user_id': 1 is int"),
    ],
)
def test_a_frame_that_cannot_be_read_says_why(frame, message):
    with pytest.raises(kl.DataError, match=f"^events: .*{message}"):
        kl.Dataset.from_frames(frame)


@pytest.mark.parametrize("odd", ["a\nb", "a\0b", "\x1b[31m", "\u200b", "x" * 10_000])
def test_ids_that_only_events_name_are_judged_as_those_of_videos(odd):
    named = EVENTS.with_columns(
        video_id=pl.when(pl.col("user_id") == "u01").then(pl.lit(odd)).otherwise("video_id")
    )
    with pytest.raises(
        kl.DataError, match=r"events, row 5, column 'video_id': video_id (has|is empty)"
    ):
        kl.Dataset.from_frames(named)
    data = kl.Dataset.from_frames(named, errors="quarantine")
    assert odd not in data.catalogue.ids.ids
    assert data.quarantine["column"].to_list() == ["video_id"] * 5


@pytest.mark.parametrize("folder", [None, 3, b"data", ["data"], "a\0b"])
def test_what_is_no_path_is_refused(folder):
    with pytest.raises(kl.ConfigError, match="from_tables takes the path of a folder"):
        kl.Dataset.from_tables(folder)
    with pytest.raises(kl.ConfigError, match="load_movielens takes the path of a folder"):
        kl.load_movielens(folder)


def test_without_videos_those_count_that_events_name():
    data = kl.Dataset.from_frames(EVENTS)
    assert data.videos["video_id"].to_list() == VIDEOS["video_id"].to_list()


def test_rows_without_a_kind_are_ratings_where_they_have_a_value():
    rated = EVENTS.drop("event").with_columns(value=pl.lit([1.0, 5.0] * 75).explode())
    data = kl.Dataset.from_frames(rated, VIDEOS)
    assert set(data.interactions["weight"]) == {1.5, -2.0}
    assert data.interest.rating_liked_from == 3.0
    strict = kl.Dataset.from_frames(rated, VIDEOS, interest={"rating_liked_from": 6})
    assert set(strict.interactions["weight"]) == {-2.0}


def test_interest_is_that_of_the_settings():
    with pytest.raises(kl.ConfigError, match="interest: there is no setting 'likes'; did you mean"):
        kl.Dataset.from_frames(EVENTS, VIDEOS, interest={"likes": 3})
    with pytest.raises(kl.ConfigError, match=r"interest: .*valid dictionary"):
        kl.Dataset.from_frames(EVENTS, VIDEOS, interest=3)
    with pytest.raises(kl.ConfigError, match="errors is 'ignore', expected"):
        kl.Dataset.from_frames(EVENTS, VIDEOS, errors="ignore")


def test_impressions_alone_teach_nothing():
    with pytest.raises(kl.DataError, match="none of 150 events shows interest"):
        kl.Dataset.from_frames(EVENTS.with_columns(event=pl.lit("impression")), VIDEOS)


def test_why_nothing_is_left_to_learn_from_is_said():
    with pytest.raises(kl.DataError, match="events: the frame has no rows"):
        kl.Dataset.from_frames(EVENTS.clear(), VIDEOS)
    odd = EVENTS.with_columns(watch_s=pl.lit(-1.0))
    with pytest.raises(kl.DataError, match=r"each of \d+ rows was set aside; row 0, .*watch_s"):
        kl.Dataset.from_frames(odd, VIDEOS, errors="quarantine")


def test_a_temporal_split_is_one_moment_for_all():
    _, test = kl.Dataset.from_frames(EVENTS, VIDEOS).split("temporal", test_days=1)
    assert len(test) == 30
    known = test.holdout.histories.timestamps.max()
    assert known < test.holdout.targets.timestamps.min()
    assert repr(test) == "TestSet(30 users, 30 videos to find)"


def test_leave_one_out_holds_out_the_last_of_each_and_can_be_split_again():
    data = kl.Dataset.from_frames(EVENTS, VIDEOS)
    train, test = data.split("leave_one_out")
    fewer, validation = train.split("leave_one_out")
    sizes = [len(part.interactions) for part in (data, train, fewer)]
    assert sizes == [150, 120, 90]
    assert len(test) == len(validation) == 30


@pytest.mark.parametrize(
    ("how", "days", "message"),
    [
        ("random", 1, "got 'random', expected 'temporal' or 'leave_one_out'"),
        ("temporal", 0, "test_days is 0, expected a number over 0"),
        ("temporal", "10", "test_days is '10'"),
        ("temporal", True, "test_days is True"),
        ("temporal", 10**400, "test_days is 1000"),
        ("leave_one_out", 3, "test_days is 3, but leave_one_out holds out a video per user"),
        ("temporal", 400, "the training part is empty; the histories span 32.0 days"),
    ],
)
def test_a_split_that_cannot_be_says_why(how, days, message):
    with pytest.raises(kl.KinoloopError, match=message):
        kl.Dataset.from_frames(EVENTS, VIDEOS).split(how, test_days=days)


VECTORS = pl.DataFrame({"video_id": ["v00", "v03"], "vector": [[3.0, 4.0], [0.0, 2.0]]})


def test_features_are_unit_vectors_in_the_order_of_the_catalogue():
    data = kl.Dataset.from_frames(EVENTS, VIDEOS, features={"text": VECTORS.to_pandas()})
    text = data.catalogue.modalities["text"]
    assert text.present.tolist() == [True, False, False, True] + [False] * 8
    np.testing.assert_allclose(text.vectors[0], [0.6, 0.8])
    assert len(text.fingerprint) == 64


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"smell": VECTORS}, "no modality is called 'smell'; there are text, visual, audio"),
        (VECTORS, "features are frames by modality, .* got polars.*; expected a Mapping"),
        ({"text": VECTORS.drop("vector")}, r"features\['text'\] has no column 'vector'"),
        ({"text": VECTORS.with_columns(video_id=pl.lit("v77"))}, "video 'v77' is there twice"),
        (
            {"text": VECTORS.head(1).with_columns(video_id=pl.lit("v77"))},
            "no video is called 'v77'",
        ),
        ({"text": VECTORS.with_columns(vector=pl.lit([0.0, 0.0]))}, "of 'v00' is zero or not fin"),
        (
            {"text": pl.DataFrame({"video_id": ["v00", "v03"], "vector": [[1.0], [1.0, 2.0]]})},
            "the first has 1, that of 'v03' has 2",
        ),
        ({"text": VECTORS.with_columns(vector=pl.lit("x"))}, "'vector' is String, expected lists"),
        ({"text": VECTORS.with_columns(vector=pl.lit(["x"]))}, r"'vector' is List\(String\), exp"),
        ({"text": VECTORS.with_columns(vector=pl.lit([[1.0]]))}, "'vector' is List.*, expected"),
        ({"text": VECTORS.with_columns(vector=pl.lit([toy.FIRST]))}, "'vector' is List.*, expect"),
        ({"text": VECTORS.with_columns(video_id=pl.lit([1]))}, "'video_id' is List.*, expected te"),
        ({1: VECTORS, "smell": VECTORS}, "no modality is called"),
        ({"text": VECTORS.clear()}, "the first has 0, it has no rows"),
    ],
)
def test_features_that_do_not_fit_are_refused_by_name(features, message):
    with pytest.raises(kl.KinoloopError, match=message):
        kl.Dataset.from_frames(EVENTS, VIDEOS, features=features)
