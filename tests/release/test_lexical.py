import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinoloop.release.lexical import LexicalIndex, write_index

DOCUMENTS = ["Red fox in snow", "red red wine", "", "日本の猫", "Café crème", "snow"]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lexical")
    write_index(directory, DOCUMENTS)
    return LexicalIndex.open(directory, len(DOCUMENTS))


def test_a_document_is_its_own_best_match_with_cosine_one(index):
    for position, document in enumerate(DOCUMENTS):
        scores = index.score(document)
        if document:
            assert scores.argmax() == position
            assert scores[position] == pytest.approx(1, abs=1e-4)


def test_a_rare_word_counts_more_than_a_common_one(index):
    scores = index.score("fox snow red")
    assert scores.argmax() == 0


def test_accents_and_case_do_not_matter(index):
    np.testing.assert_array_equal(index.score("CAFE CREME"), index.score("café crème"))


def test_no_common_feature_is_zero(index):
    assert index.score("qqqq").tolist() == [0] * len(DOCUMENTS)


@given(st.text(max_size=40))
def test_any_query_gives_finite_scores_between_zero_and_one(index, query):
    scores = index.score(query)
    assert np.isfinite(scores).all()
    assert scores.min() >= 0
    assert scores.max() <= 1 + 1e-4
