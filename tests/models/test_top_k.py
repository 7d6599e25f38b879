import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kinoloop.models.top_k import GROUP, best, best_columns


@pytest.mark.parametrize("columns", [3, 10, 5 * GROUP, 40 * GROUP, 40 * GROUP + 17])
def test_finds_what_a_whole_sort_finds(columns):
    scores = np.random.default_rng(columns).normal(size=(7, columns)).astype(np.float32)
    scores[:, : columns // 3] = -np.inf
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    found = best_columns(scores, 10)
    values = np.take_along_axis(scores, found, axis=1)
    np.testing.assert_array_equal(values, np.take_along_axis(scores, expected, axis=1))
    finite = np.isfinite(values)
    np.testing.assert_array_equal(found[finite], expected[finite])


def test_each_column_once_where_all_are_equal():
    found = best_columns(np.zeros((3, 40 * GROUP), dtype=np.float32), 10)
    assert [len(set(row)) for row in found.tolist()] == [10] * 3
    assert (np.diff(found, axis=1) > 0).all()


SCORES = arrays(
    np.float32, st.integers(0, 30), elements=st.sampled_from([-np.inf, np.nan, -1.0, 0.0, 0.5, 2.0])
)


@given(scores=SCORES, top_k=st.integers(0, 40))
def test_best_equals_a_full_stable_sort(scores, top_k):
    order = np.argsort(-scores, kind="stable")
    expected = [i for i in order if np.isfinite(scores[i])][:top_k]
    assert best(scores, top_k).tolist() == expected


@pytest.mark.parametrize("values", [[-np.inf, np.nan, 0.0, 0.5, 1.0], None], ids=["ties", "none"])
@pytest.mark.parametrize("length", [20 * GROUP, 40 * GROUP + 17, 301 * GROUP])
@pytest.mark.parametrize("top_k", [1, 10, 150, 5000])
def test_best_of_many_equals_a_full_stable_sort(values, length, top_k):
    rng = np.random.default_rng(length)
    shares = [0.6, 0.1, 0.29, 0.005, 0.005]
    scores = rng.choice(values, length, p=shares) if values else rng.normal(size=length)
    scores = scores.astype(np.float32)
    for shown in (scores, np.where(rng.random(length) < 0.999, -np.inf, scores)):
        order = np.argsort(-shown, kind="stable")
        expected = [i for i in order.tolist() if np.isfinite(shown[i])][:top_k]
        assert best(shown.astype(np.float32), top_k).tolist() == expected
