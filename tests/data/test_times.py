from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinoloop.data.times import (
    PER_SECOND,
    read_times,
    why_unreadable,
)

AT = datetime(2025, 2, 2, 10, 11, 12, tzinfo=UTC)


def read(value, unit=None):
    """A column with this one value; None where it is unreadable."""
    (time,) = read_times(pl.Series([value]), unit=unit)
    return time


@pytest.mark.parametrize(
    "written",
    [
        "2025-02-02T10:11:12Z",
        "2025-02-02 10:11:12",
        "2025-02-02 10:11:12+00",  # PostgreSQL
        "2025-02-02 07:11:12-03",
        "2025-02-02 15:41:12+05:30",
        "2025-02-02T15:41:12+0530",
        "2025-02-02 10:11:12 UTC",  # BigQuery
        "2025-02-02 10:11:12.000000 UTC",
        "2025-02-02 10:11:12 utc",
        "2025-02-02 10:11:12.0000000 +00:00",  # SQL Server
        "2025-02-02 10:11:12.000 Z",  # Snowflake
        "2025-02-02t10:11:12z",
        "2025-02-02T10:11:12,000Z",
        "20250202T101112Z",
        " 2025-02-02T10:11:12.000000000Z\t",
    ],
)
def test_what_databases_make_of_iso_8601_is_read(written):
    assert read(written) == AT


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("2025-02-02 10:11:12.123+00", 123_000),
        ("2025-02-02 10:11:12.1234567Z", 123_456),
        ("2025-02-02T10:11:12.5", 500_000),
    ],
)
def test_fractions_of_iso_times_are_kept_to_the_microsecond(written, micros):
    assert read(written) == AT.replace(microsecond=micros)


def test_times_without_seconds_or_clock_are_read():
    assert read("2025-02-02 10:11") == AT.replace(second=0)
    assert read("2025-02-02 10:11+00") == AT.replace(second=0)
    assert read("2025-02-02") == datetime(2025, 2, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        1583378629.552,
        "1583378629.552",
        1583378629552,
        1583378629552.0,
        "1583378629552.0",
        1583378629552000,
        "1583378629552000",
        1583378629552000999,
        "1583378629552000999",
        "1.583378629552e9",
    ],
)
def test_epochs_tell_their_unit_by_their_size_and_keep_their_fraction(value):
    assert read(value) == datetime(2020, 3, 5, 3, 23, 49, 552_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        *("20250202", 20250202, "202502021011", "20250202101112", 45000.5, "45000", 0, 1, -1),
        *("nan", "inf", float("nan"), float("inf"), 1e300, "1_583_378_629", "0x5e60"),
        *("soon", "", "2025-13-01", "2025-02-30", "2025-02-02T24:00:00", "2025-02-02T10:11:60Z"),
        *("02/02/2025", "2025/02/02", "2. 2. 2025", "10:11:12", "2025-02-02T10:11:12+99:00"),
        *("9999-12-31T23:59:59-03", "0000-01-01", "2025-02-02T10:11:12+05:", "2025-02-02:00"),
    ],
)
def test_what_is_ambiguous_or_no_time_is_not_guessed(value):
    assert read(value) is None


def test_a_unit_that_is_given_reads_any_epoch_of_it():
    assert read("-86400", "s") == datetime(1969, 12, 31, tzinfo=UTC)
    assert read(86_400_000, "ms") == datetime(1970, 1, 2, tzinfo=UTC)
    assert read(0.5, "s") == datetime(1970, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    assert read("2025-02-02 10:11:12+00", "ms") == AT


def test_a_unit_that_the_size_contradicts_is_not_believed():
    assert read(1583378629, "ms") is None
    assert read("1583378629552", "s") is None
    assert why_unreadable(1583378629, unit="ms") == (
        "'1583378629' is an epoch in s, not in ms as it is said to be"
    )


def test_what_is_wrong_is_said_with_the_value_unless_it_may_name_somebody():
    assert why_unreadable("20250202").startswith(
        "'20250202' is a number whose unit nobody can know"
    )
    assert why_unreadable("anna@example.org").startswith("a text of 16 characters is not a time")


def test_numbers_of_any_type_that_holds_them_exactly_are_read():
    for dtype in (pl.Int64, pl.UInt32, pl.Float64, pl.Decimal(20, 3)):
        (time,) = read_times(pl.Series([1583378629]).cast(dtype))
        assert time == datetime(2020, 3, 5, 3, 23, 49, tzinfo=UTC)
    for dtype in (pl.Float32, pl.Boolean, pl.Time):
        assert read_times(pl.Series([1]).cast(dtype)) is None


def test_a_column_may_mix_every_way_of_writing():
    column = pl.Series(["2025-02-02 10:11:12+00", "1738491072", "1738491072000", None, "soon"])
    assert read_times(column).to_list() == [AT, AT, AT, None, None]


digits = st.from_regex(r"[0-9]{4}-?[01][0-9]-?[0-3][0-9]", fullmatch=True)
clocks = st.from_regex(
    r"([T t][0-2][0-9]:?[0-6][0-9](:?[0-6][0-9]([.,][0-9]{1,9})?)?)?", fullmatch=True
)
zones = st.from_regex(r" ?(|Z|z|UTC|GMT|[+-][0-2][0-9](:?[0-6][0-9])?)", fullmatch=True)
written = st.builds("{}{}{}".format, digits, clocks, zones)
numbers = st.one_of(
    st.floats(),
    st.integers(-(2**62), 2**62),
    st.builds(
        lambda seconds, unit: seconds * PER_SECOND[unit],
        st.floats(3e8, 5e9),
        st.sampled_from(list(PER_SECOND)),
    ),
)


@given(
    value=st.one_of(
        written, numbers, numbers.map(str), st.text("0123456789-+:.,TZ eUC", max_size=24)
    ),
    unit=st.sampled_from([None, *PER_SECOND]),
)
def test_whatever_is_read_is_a_time_of_the_calendar_or_nothing(value, unit):
    found = read(value, unit)
    assert found is None or 1 <= found.year <= 9999
