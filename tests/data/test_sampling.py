from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kinoloop.data.sampling import evenly_spaced


@given(st.integers(0, 300), st.integers(1, 300))
def test_a_sample_goes_from_end_to_end_in_even_steps(n, at_most):
    picked = evenly_spaced(n, at_most).tolist()
    assert len(picked) == min(n, at_most)
    steps = {b - a for a, b in pairwise(picked)}
    assert not steps or max(steps) - min(steps) <= 1
    if at_most > 1 and n:
        assert (picked[0], picked[-1]) == (0, n - 1)
