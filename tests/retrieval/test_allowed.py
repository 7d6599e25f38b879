import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kinoloop.retrieval.allowed import Allowed


@given(st.lists(st.booleans(), min_size=1, max_size=70), st.lists(st.integers(0, 69), max_size=9))
def test_says_of_a_set_of_videos_what_the_set_says(marks, hidden):
    hidden = np.array([one for one in hidden if one < len(marks)], dtype=np.intp)
    expected = {at for at, marked in enumerate(marks) if marked} - set(hidden.tolist())
    some = Allowed.of(np.array(marks))
    left = some.without(hidden)
    assert set(left.videos.tolist()) == expected
    assert left.count == len(expected)
    every = np.arange(len(marks))
    assert set(every[left.has(every)].tolist()) == expected
    assert some.count == sum(marks)  # the set it was taken from stays
