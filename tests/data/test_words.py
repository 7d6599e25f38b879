import re

from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from kinoloop.data.words import TERM, sought


def test_scripts_without_spaces_are_sought_by_pairs_of_characters():
    assert sought("old 2 列車の旅 한국어_x") == [
        ("old", False), ("2", False), ("列車の旅", True), ("한국어", True), ("x", False),
    ]  # fmt: skip


def test_a_term_is_a_run_or_one_character_without_spaces():
    assert TfidfVectorizer(token_pattern=TERM).build_tokenizer()("old 列車 한국어") == [
        "old", "列", "車", "한국어",
    ]  # fmt: skip


@given(st.text(max_size=40))
def test_what_is_sought_is_in_the_text(text):
    assert all(run in text and re.search(r"\w", run) for run, _ in sought(text))
