"""Filters of requests: exact, by one mask, in every answer."""

import json
import re

import numpy as np
import polars as pl
import pytest

from kinoloop.errors import ConfigError
from kinoloop.policy.filters import VideoFilters

VIDEOS = pl.DataFrame(
    {
        "language": ["en", "de", None, "en"],
        "tags": [["a", "b"], ["b"], None, []],
        "extra": [
            json.dumps({"age": 6, "kids": True, "studio": "Nord"}),
            json.dumps({"age": "6", "kids": False, "genres": ["noir", "drama"]}),
            None,
            json.dumps({"age": 12.0, "deep": {"x": 1}, "genres": ["drama"]}),
        ],
    }
)


@pytest.mark.parametrize(
    ("filters", "inside"),
    [
        ({}, [0, 1, 2, 3]),
        ({"language": "en"}, [0, 3]),
        ({"language": ["en", "de"]}, [0, 1, 3]),
        ({"language": "en", "age": 12}, [3]),
        ({"tags": "b"}, [0, 1]),
        ({"age": 6}, [0, 1]),
        ({"age": "12"}, [3]),
        ({"kids": True}, [0]),
        ({"kids": False}, [1]),
        ({"genres": "drama"}, [1, 3]),
        ({"studio": "Nord", "kids": False}, []),
        ({"studio": "Süd"}, []),
        ({"studio": []}, []),
    ],
)
def test_a_video_passes_that_has_one_of_the_values_in_each_column(filters, inside):
    outside = VideoFilters(VIDEOS).outside(filters)
    assert sorted({0, 1, 2, 3} - set(outside.tolist())) == inside


def test_columns_are_those_that_some_video_has_a_plain_value_in():
    filters = VideoFilters(VIDEOS)
    assert filters.columns == ("age", "genres", "kids", "language", "studio", "tags")
    assert filters.unknown({"age": 1, "deep": 1, "title": "x"}) == ["deep", "title"]
    with pytest.raises(
        ConfigError, match=r"no video has a column 'deep'; columns to filter by: age, genres"
    ):
        filters.outside({"deep": 1})
    assert VideoFilters(pl.DataFrame({"video_id": ["a"]})).columns == ()


def test_it_is_what_a_loop_over_all_rows_finds():
    rng = np.random.default_rng(3)
    rows = [
        {f"c{k}": int(v) for k, v in enumerate(rng.integers(0, 4, 3)) if rng.random() < 0.8}
        for _ in range(300)
    ]
    filters = VideoFilters(pl.DataFrame({"extra": [json.dumps(row) for row in rows]}))
    for _ in range(50):
        wanted = {f"c{k}": rng.integers(0, 5, 2).tolist() for k in range(3) if rng.random() < 0.6}
        expected = [
            at
            for at, row in enumerate(rows)
            if not all(row.get(name) in values for name, values in wanted.items())
        ]
        assert filters.outside(wanted).tolist() == expected


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        (True, "True"), ("True", True), ("FALSE", False), ("6.0", 6), (6, "6.0"), ("2.50", 2.5),
        ("1e3", 1000), ('["a", "b"]', "b"), ("[true, 2.0]", 2), (["6.0"], 6), ("[a]", "[a]"),
    ],
)  # fmt: skip
def test_a_free_value_is_found_whatever_file_it_came_from(cell, wanted):
    extra = [json.dumps({"x": cell}), json.dumps({"x": "other"})]
    filters = VideoFilters(pl.DataFrame({"extra": extra}))
    assert filters.outside({"x": wanted}).tolist() == [1]


def test_what_starts_with_a_zero_and_tags_are_compared_as_written():
    extra = [json.dumps({"post": "01067"}), json.dumps({"post": 1067})]
    filters = VideoFilters(pl.DataFrame({"tags": [["1.0"], ["True"]], "extra": extra}))
    assert filters.outside({"post": "01067"}).tolist() == [1]
    assert filters.outside({"tags": "1"}).tolist() == [0, 1]
    assert filters.outside({"tags": "True"}).tolist() == [0]


@pytest.mark.parametrize(
    "text",
    ['{"a":' + "[" * 3000 + "]" * 3000 + "}", "[1]", "null", "no json", '{"language": "en"}'],
    ids=lambda text: text[:9],
)
def test_extra_that_is_no_row_says_nothing_and_takes_no_columns_place(text):
    filters = VideoFilters(pl.DataFrame({"language": ["de", "en"], "extra": [text, '{"b": 1}']}))
    assert filters.columns == ("b", "language")
    assert filters.outside({"language": "en"}).tolist() == [0]


MORE = pl.DataFrame(
    {
        "duration_s": [30.0, 90.0, None, 600.0],
        "published_at": pl.Series([0, 86_400_000_000, 2 * 86_400_000_000, None]).cast(
            pl.Datetime("us", "UTC")
        ),
        "tags": [["a", "b"], ["b"], None, ["c"]],
        "labels": [
            [{"facet": "shows", "label": "dog"}],
            [{"facet": "mood", "label": "calm"}, {"facet": "shows", "label": "cat"}],
            None,
            [],
        ],
        "extra": ['{"age": 6, "shot": "2026-03-01"}', '{"age": "12", "shot": "soon"}', None, "{}"],
    }
)


@pytest.mark.parametrize(
    ("filters", "inside"),
    [
        ({"duration_s": {"max": 90}}, [0, 1]),
        ({"duration_s": {"min": 31, "max": "90.0"}}, [1]),
        ({"duration_s": {"min": 100, "missing": True}}, [2, 3]),
        ({"duration_s": 600}, [3]),
        ({"published_at": {"min": "1970-01-02"}}, [1, 2]),
        ({"published_at": {"min": "1970-01-02T01:00:00+01:00", "max": "1970-01-02"}}, [1]),
        ({"published_at": {"missing": False}}, [0, 1, 2]),
        ({"tags": {"all": ["a", "b"]}}, [0]),
        ({"tags": {"any": ["a", "c"]}}, [0, 3]),
        ({"tags": {"not": "b"}}, [2, 3]),
        ({"tags": {"not": ["b", "c"], "missing": False}}, []),
        ({"tags": {"any": "b", "not": "a"}}, [1]),
        ({"tags": {"any": ["a"], "missing": True}}, [0, 2]),
        ({"tags": {"any": [], "missing": True}}, [2]),
        ({"labels": "dog"}, [0]),
        ({"labels": {"any": ["shows:cat", "mood:calm"]}}, [1]),
        ({"age": {"max": 11}}, [0]),
        ({"age": {"max": 11, "missing": True}}, [0, 2, 3]),
        ({"shot": {"min": "2026-02-01"}}, [0]),
        ({"shot": {"max": 3}}, []),
        ({"age": {"min": 1}, "duration_s": {"min": 60}}, [1]),
        ({"age": {}}, [0, 1, 2, 3]),
    ],
)
def test_all_parts_of_a_condition_hold_together(filters, inside):
    outside = VideoFilters(MORE).outside(filters)
    assert sorted({0, 1, 2, 3} - set(outside.tolist())) == inside


@pytest.mark.parametrize("end", ["soon", True, "", "nan", [1]])
def test_a_range_that_ends_nowhere_is_refused_by_column_and_value(end):
    filters = VideoFilters(MORE)
    message = re.escape(f"a range of column 'duration_s' ends at {end!r}, expected a number")
    with pytest.raises(ConfigError, match=message):
        filters.outside({"duration_s": {"min": end}})


def test_a_column_that_no_video_has_is_empty_where_nobody_asked_for_it_by_name():
    filters = VideoFilters(MORE)
    assert (
        filters.outside_of_all([{"none": {"max": 3, "missing": True}}, {"none": {"not": 3}}]).size
        == 0
    )
    assert len(filters.outside_of_all([{"none": 3}])) == 4


def test_each_video_has_one_code_and_one_number_of_a_column_of_several_values():
    filters = VideoFilters(MORE)
    tags = filters.column("tags").first_code(4)
    assert tags.tolist() == [0, 1, -1, 2]
    assert filters.column("duration_s").first_code(4).tolist() == [0, 1, -1, 2]
    np.testing.assert_array_equal(filters.column("age").numbers(4), [6, 12, np.nan, np.nan])
    assert filters.column("title") is None
