import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kinoloop.client import retries
from kinoloop.client.retries import Retries, seconds_of


def test_its_examples_hold():
    failed, tried = doctest.testmod(retries)
    assert (failed, tried > 4) == (0, True)


@given(sent=st.integers(1, 99), asked=st.none() | st.floats(0, 20), draw=st.floats(0, 0.999))
def test_waits_what_was_asked_for_and_never_longer_than_twice_the_longest(sent, asked, draw):
    wait_s = Retries(attempts=100, longest_s=8).wait_s(sent, asked, draw)
    if asked is not None and asked > 8:
        assert wait_s is None
    else:
        assert (asked or 0) <= wait_s <= 16


def test_without_chance_waits_double_up_to_the_longest():
    rules = Retries(attempts=9, first_s=0.5, longest_s=3)
    assert [rules.wait_s(sent, None, 1.0) for sent in range(1, 6)] == [0.5, 1, 2, 3, 3]
    assert Retries(attempts=1).wait_s(1, None, 0.5) is None


@pytest.mark.parametrize("header", ["", "-1", "1.5", "soon", "9" * 5000, "Thu, 99 Foo"])
def test_a_retry_after_that_is_none_is_passed_over(header):
    assert seconds_of(header) is None


def test_a_date_of_the_past_waits_for_nothing():
    assert seconds_of("Thu, 01 Jan 2015 00:00:09 GMT") == 0


def test_rules_have_bounds():
    with pytest.raises(ValidationError):
        Retries(attempts=0)
