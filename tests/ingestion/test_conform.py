from datetime import UTC, date, datetime

import polars as pl
import pytest

from kinoloop.errors import BatchError
from kinoloop.ingestion.conform import check_columns, conform

AT = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def events(**columns):
    base = {"user_id": ["u"], "video_id": ["v"], "timestamp": [AT], "event": ["view"]}
    return conform(pl.DataFrame({**base, **columns}), kind="events", file="events/a.parquet")


@pytest.mark.parametrize(
    "written",
    [
        "2025-01-02T03:04:05Z",
        "2025-01-02 03:04:05",
        "2025-01-02T11:04:05+08:00",
        "2025-01-02T11:04:05.000+0800",
        " 2025-01-02T03:04:05.000000000z ",
    ],
)
def test_times_are_read_as_iso_8601_and_naive_ones_as_utc(written):
    assert events(timestamp=[written])["timestamp"].to_list() == [AT]


def test_times_without_seconds_or_clock_are_read():
    assert events(timestamp=["2025-01-02T03:04"])["timestamp"][0] == AT.replace(second=0)
    assert events(timestamp=["2025-01-02"])["timestamp"][0] == datetime(2025, 1, 2, tzinfo=UTC)


def test_typed_times_become_utc_microseconds():
    for column in (
        pl.Series([AT.replace(tzinfo=None)], dtype=pl.Datetime("ms")),
        pl.Series([AT]).dt.convert_time_zone("Asia/Shanghai"),
        pl.Series([AT]).dt.cast_time_unit("ns"),
    ):
        assert events(timestamp=column)["timestamp"].to_list() == [AT]
    assert events(timestamp=[date(2025, 1, 2)])["timestamp"][0] == datetime(2025, 1, 2, tzinfo=UTC)


def test_text_that_does_not_parse_is_null_and_flagged():
    frame = events(timestamp=["soon"], watch_s=["many"], value=["3.5"])
    assert frame.row(0, named=True)["timestamp"] is None
    assert frame["unreadable_timestamp"].to_list() == [True]
    assert frame["unreadable_watch_s"].to_list() == [True]
    assert frame["value"].to_list() == [3.5]
    assert frame["unreadable_value"].to_list() == [False]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("timestamp", [True], "expected a time. Write times as"),
        (
            "timestamp",
            pl.Series([1735787045.0], dtype=pl.Float32),
            r"type is Float32, expected a time.* \(64 bits\)",
        ),
        ("watch_s", [[1.0]], "expected a number"),
        ("user_id", [1.5], "expected text"),
        ("logged_date", [20250102], "expected a date"),
    ],
)
def test_wrong_type_refuses_the_batch_and_names_file_column_and_types(column, values, expected):
    with pytest.raises(BatchError, match=expected) as caught:
        events(**{column: values})
    assert (caught.value.file, caught.value.column) == ("events/a.parquet", column)
    assert (caught.value.check, caught.value.count) == ("column_type", 1)


def test_whole_numbers_are_ids_and_blank_ids_are_none():
    assert events(user_id=[42])["user_id"].to_list() == ["42"]
    assert events(user_id=["  "])["user_id"].to_list() == [None]


def test_spaces_around_ids_are_no_part_of_them():
    frame = events(user_id=[" u1 "], video_id=["v2\u00a0"], event=[" view"], event_id=["e "])
    found = frame.select("user_id", "video_id", "event", "event_id").rows()
    assert found == [("u1", "v2", "view", "e")]
    blank = events(user_id=["\ufeffu1\u200b\t"], video_id=["\u200b \u2060"])
    assert blank.select("user_id", "video_id").rows() == [("u1", None)]


def test_whole_numbers_of_a_float_column_are_ids():
    floats = pl.Series([7.0, float("nan"), None])
    raw = {"user_id": floats, "video_id": ["v"] * 3, "timestamp": [AT] * 3, "event": ["view"] * 3}
    frame = conform(pl.DataFrame(raw), kind="events", file="f")
    assert frame["user_id"].to_list() == ["7", None, None]
    with pytest.raises(BatchError, match="'user_id' failed column_type"):
        events(user_id=[2.0**60])


def test_whole_numbers_written_with_a_point_are_flagged_and_stay_what_they_are():
    assert events(user_id=["1.0"])["user_id"].to_list() == ["1.0"]
    for columns in ({"user_id": ["1.0"]}, {"video_id": ["2.00"]}, {"user_id": ["1.23E+11"]}):
        assert events(**columns)["decimal_id"].to_list() == [True]
    for name in ("1.5e5", "1e+16"):
        assert events(user_id=[name])["decimal_id"].to_list() == [True]
    for name in ("1", "1.5", "v1.0", "12e5", "1e5f"):
        assert events(user_id=[name])["decimal_id"].to_list() == [False]


def test_missing_optional_columns_are_null():
    assert events()["watch_s"].to_list() == [None]


def test_free_columns_of_videos_become_one_json_object():
    raw = pl.DataFrame(
        {"video_id": [1], "title": ["A"], "mood": ["calm"], "day": [date(2025, 1, 2)], "n": [2]}
    )
    frame = conform(raw, kind="videos", file="f")
    assert frame["extra"].to_list() == ['{"mood":"calm","day":"2025-01-02","n":2}']


def test_a_free_column_called_extra_is_kept_as_any_other():
    raw = pl.DataFrame({"video_id": ["1"], "title": ["A"], "extra": ["x"], "mood": ["calm"]})
    frame = conform(raw, kind="videos", file="f")
    assert frame["extra"].to_list() == ['{"extra":"x","mood":"calm"}']


@pytest.mark.parametrize(
    "deep",
    [
        lambda text: [text, None],
        lambda text: {"a": text},
        lambda text: [{"a": [{"b": text}], "c": 1}],
        lambda text: pl.Series([[text] * 2, ["x"] * 2], dtype=pl.Array(pl.String, 2)),
        lambda text: pl.Series([text, "x"], dtype=pl.Categorical),
    ],
)
def test_credentials_are_not_kept_however_deep_they_stand(deep):
    made = deep("https://me:secret@host/a.mp4?token=hush")
    column = made if isinstance(made, pl.Series) else [made, None]
    raw = pl.DataFrame({"video_id": ["1", "2"], "title": ["A", "B"], "links": column})
    told = conform(raw, kind="videos", file="f")["extra"]
    assert "https://…@host/a.mp4?…" in told[0]
    assert not told.str.contains("secret|hush").any()


def test_nested_free_columns_keep_their_gaps():
    columns = {"l": [["a", None], [], None], "s": [{"n": [1]}, {"n": []}, None]}
    raw = pl.DataFrame({"video_id": ["1", "2", "3"], "title": ["A"] * 3, **columns})
    assert conform(raw, kind="videos", file="f")["extra"].to_list() == [
        '{"l":["a",null],"s":{"n":[1]}}',
        '{"l":[],"s":{"n":[]}}',
        '{"l":null,"s":null}',
    ]


def test_free_column_of_bytes_is_refused():
    raw = pl.DataFrame({"video_id": ["1"], "title": ["A"], "blob": [b"x"]})
    with pytest.raises(BatchError, match="'blob'"):
        conform(raw, kind="videos", file="f")


def tags(values):
    raw = pl.DataFrame({"video_id": ["1"], "title": ["A"], "tags": values})
    frame = conform(raw, kind="videos", file="f")
    return frame["tags"].to_list()[0], frame["unreadable_tags"][0]


def test_tags_are_lists_or_json_or_split_text():
    assert tags([["a", "b"]]) == (["a", "b"], False)
    assert tags(["a | b"]) == (["a", "b"], False)
    assert tags(['["a", "b"]']) == (["a", "b"], False)
    assert tags(["[a"]) == (None, True)


def test_numbers_are_tags_as_they_are_written_and_a_null_is_none():
    assert tags(['[1, null, "sea", 2.50]']) == (["1", "sea", "2.50"], False)
    assert tags([["a", None]]) == (["a"], False)


@pytest.mark.parametrize(
    "text", ['[1, {"x": 1}]', '{"x": 1}', '[["a"]]', "[true]", "[NaN]", r'["\ud800"]']
)
def test_json_that_is_no_list_of_text_and_numbers_is_no_tags(text):
    assert tags([text]) == (None, True)


def test_missing_required_column_is_named_with_those_that_are_there():
    with pytest.raises(BatchError, match="Missing: title; the file has video_id, name"):
        check_columns(["video_id", "name"], kind="videos", file="videos/a.csv")
