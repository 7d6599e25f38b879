"""What is said about each event besides its video: kind, share watched, time since the last one.

Each becomes one of a few classes with a learned vector, the same in training and in service.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.schema import EVENT_KINDS

HOUR_US = 3_600_000_000
KINDS: Final = len(EVENT_KINDS)
SHARES: Final = 6  # unknown, and five equal parts
GAPS: Final = 16  # first of the row, then doubling: below 1/16 h, …, above 2^10 h
WIDTH: Final = 3  # classes an event


def context_classes(histories: Histories) -> NDArray[np.int64]:
    """Classes of each event, (n, 3) int64: kind, watch share, gap, in one numbering.

    Numbers of the three do not overlap, so that one table of `KINDS + SHARES + GAPS` vectors
    serves all.
    """
    shares = histories.watch_shares
    known = ~np.isnan(shares)
    share = np.where(known, 1 + np.minimum(np.where(known, shares, 0) * 5, 4).astype(np.int64), 0)
    gaps_h = np.diff(histories.timestamps, prepend=0) / HOUR_US
    doublings = np.floor(np.log2(np.maximum(gaps_h, 1 / 32))) + 6  # 1/32 h is 1, 1 h is 6
    gap = np.clip(doublings, 1, GAPS - 1).astype(np.int64)
    gap[histories.offsets[:-1][histories.lengths > 0]] = 0
    return np.stack([histories.kinds.astype(np.int64), KINDS + share, KINDS + SHARES + gap], axis=1)
