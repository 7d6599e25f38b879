import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kinoloop.data.histories import Histories, Interaction

ROWS = [[Interaction(3), Interaction(1, weight=2.0)], [], [Interaction(0, timestamp=9)]]


def _rows(histories: Histories) -> list[list[int]]:
    return [histories.videos[histories.row(u)].tolist() for u in range(len(histories))]


def test_rows_come_back_as_they_went_in():
    histories = Histories.from_rows(ROWS, ["u", "v", "w"])
    assert _rows(histories) == [[3, 1], [], [0]]
    assert histories.lengths.tolist() == [2, 0, 1]


def test_select_keeps_every_row_even_when_it_becomes_empty():
    histories = Histories.from_rows(ROWS)
    assert _rows(histories.select(histories.videos == 1)) == [[1], [], []]


def test_rows_picks_in_the_given_order_and_takes_users_along():
    histories = Histories.from_rows(ROWS, ["u", "v", "w"])
    picked = histories.rows(np.array([2, 0]))
    assert _rows(picked) == [[0], [3, 1]]
    assert picked.user_ids == ("w", "u")


def test_last_keeps_the_newest():
    assert _rows(Histories.from_rows(ROWS).last(1)) == [[1], [], [0]]


def test_matrix_holds_the_weights():
    dense = Histories.from_rows(ROWS).matrix(4).toarray()
    assert dense.tolist() == [[0, 2, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]


@given(st.lists(st.lists(st.integers(0, 9), unique=True)), st.integers(0, 5))
def test_last_agrees_with_slicing_plain_lists(videos, n):
    histories = Histories.from_rows([[Interaction(v) for v in row] for row in videos])
    assert _rows(histories.last(n)) == [row[len(row) - min(n, len(row)) :] for row in videos]
