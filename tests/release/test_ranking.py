import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kinoloop.release.ranking import best

SCORES = arrays(
    np.float32, st.integers(0, 30), elements=st.sampled_from([-np.inf, np.nan, -1.0, 0.0, 0.5, 2.0])
)


@given(scores=SCORES, top_k=st.integers(0, 40))
def test_best_equals_a_full_stable_sort(scores, top_k):
    order = np.argsort(-scores, kind="stable")
    expected = [i for i in order if np.isfinite(scores[i])][:top_k]
    assert best(scores, top_k).tolist() == expected
