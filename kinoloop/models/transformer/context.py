"""What is said about each event besides its video: kind, share watched, time since the last one.

Each becomes one of a few classes with a learned vector, the same in training and in service. The
first event that is read has no gap, whether or not the user did something before it.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.kinds import BEHAVIOUR_KINDS

HOUR_US = 3_600_000_000
KINDS: Final = len(BEHAVIOUR_KINDS)
SHARES: Final = 6  # unknown, and five equal parts
GAPS: Final = 16  # first of the row, then doubling: below 1/16 h, …, above 2^10 h
WIDTH: Final = 3  # classes per event


def context_classes(
    histories: Histories, at: NDArray[np.int64], first: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Classes of events, (n, 3) int64: kind, watch share, gap, in one numbering.

    Numbers of the three do not overlap, so that one table of `KINDS + SHARES + GAPS` vectors
    serves all.

    Args:
        histories: Where the events are.
        at: (n,) positions in the flat arrays of `histories`.
        first: (n,) whether the event is the first that is read of its row.
    """
    shares = histories.watch_shares[at]
    known = ~np.isnan(shares)
    share = np.where(known, 1 + np.minimum(np.where(known, shares, 0) * 5, 4).astype(np.int64), 0)
    gaps_us = histories.timestamps[at] - histories.timestamps[np.maximum(at - 1, 0)]
    doublings = np.floor(np.log2(np.maximum(gaps_us / HOUR_US, 1 / 32))) + 6  # 1 h is 6
    gap = np.where(first, 0, np.clip(doublings, 1, GAPS - 1).astype(np.int64))
    kinds = histories.kinds[at].astype(np.int64)
    return np.stack([kinds, KINDS + share, KINDS + SHARES + gap], axis=1)


def read_context(histories: Histories) -> NDArray[np.int64]:
    """Classes of all events of histories that are read whole, (n, 3) int64."""
    first = np.zeros(len(histories.videos), dtype=np.bool_)
    first[histories.offsets[:-1][histories.lengths > 0]] = True
    return context_classes(histories, np.arange(len(first)), first)
