import numpy as np
import polars as pl
import pytest

from kinoloop.release.reasons import FEW, Reasons


@pytest.mark.parametrize("more", [0, FEW])
def test_names_no_video_that_was_taken_down_however_many_were(more):
    why = Reasons(["Fox", "Cubs", "Jazz"], pl.DataFrame({"video_id": ["a", "b", "c"]}))
    unnamed = np.concatenate([np.arange(10, 10 + more), [1]])
    told = why.of([0, 1, None, 1], [2, 2, 2, 0], unnamed=unnamed)
    assert told == ["Because you watched “Fox”", *["Recommended for you"] * 3]
