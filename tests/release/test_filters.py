"""Filters of requests: exact, by one mask, in every answer."""

import json

import numpy as np
import polars as pl
import pytest

from kinoloop.errors import ConfigError
from kinoloop.release.filters import VideoFilters

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
