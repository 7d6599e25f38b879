import numpy as np

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.transformer.context import (
    GAPS,
    HOUR_US,
    KINDS,
    SHARES,
    WIDTH,
    context_classes,
    read_context,
)


def test_kind_share_and_gap_have_their_own_numbers():
    row = [
        Interaction(0, kind=2, watch_share=float("nan"), timestamp=7 * HOUR_US),
        Interaction(1, kind=1, watch_share=0.0, timestamp=8 * HOUR_US),
        Interaction(2, kind=1, watch_share=1.0, timestamp=8 * HOUR_US),
        Interaction(3, kind=1, watch_share=0.5, timestamp=9_000 * HOUR_US),
    ]
    kinds, shares, gaps = read_context(Histories.from_rows([row])).T
    assert kinds.tolist() == [2, 1, 1, 1]
    assert (shares - KINDS).tolist() == [0, 1, 5, 3]
    assert (gaps - KINDS - SHARES).tolist() == [0, 6, 1, GAPS - 1]


def test_the_first_event_of_each_row_has_no_gap():
    rows = [[Interaction(0, timestamp=5)], [], [Interaction(1, timestamp=HOUR_US * 90)]]
    classes = read_context(Histories.from_rows(rows))
    assert (classes[:, 2] == KINDS + SHARES).all()


def test_a_window_says_the_same_wherever_its_row_began():
    row = [Interaction(v, timestamp=v * v * HOUR_US) for v in range(6)]
    whole, tail = Histories.from_rows([row]), Histories.from_rows([row[2:]])
    at = np.arange(2, 6)
    np.testing.assert_array_equal(context_classes(whole, at, at == 2), read_context(tail))


def test_no_events_give_no_classes():
    assert read_context(Histories.from_rows([[]])).shape == (0, WIDTH)
    assert read_context(Histories.from_rows([[]])).dtype == np.int64
