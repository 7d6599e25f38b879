"""What the champion would show in each period, to users who had done only what they did in it.

Each history is cut to one period, so that slates of two periods differ because behaviour differs
and not because histories have grown.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.drift.champion import Champion
from kinoloop.drift.windows import Span
from kinoloop.models.base import Recommender
from kinoloop.models.top_k import best_columns

SCORES_AT_ONCE = 5_000_000  # 20 MB of float32
MICROSECOND = 1e-6


@dataclass(frozen=True)
class Slates:
    """One row per (user, period) in which the user did something.

    Attributes:
        users: (n,) int64, row in the champion's histories.
        periods: (n,) int64.
        videos: (n, top_k) int64, internal indices in the champion's catalogue, best first.
        lift: (n, top_k) float32, falling: by how many standard deviations of this user's scores
            a video stands above their mean. Raw scores grow with the length of a history.
    """

    users: NDArray[np.int64]
    periods: NDArray[np.int64]
    videos: NDArray[np.int64]
    lift: NDArray[np.float32]

    def users_of(self, current: int) -> tuple[int, int]:
        """Distinct users in the reference and in the current window."""
        now = self.periods == current
        return len(np.unique(self.users[~now])), len(np.unique(self.users[now]))


def make_slates(
    champion: Champion, periods: tuple[Span, ...], *, top_k: int, max_periods: int
) -> Slates:
    """Ask the champion for every (user, period).

    Args:
        champion: Whom to ask.
        periods: All periods, the current one last.
        top_k: Length of a slate; shorter where the catalogue is smaller.
        max_periods: How many of the newest periods are asked for.
    """
    parts = []
    for number in range(max(0, len(periods) - max_periods), len(periods)):
        histories = within(champion.histories, periods[number])
        active = np.flatnonzero(histories.lengths)
        for rows in _chunks(active, len(champion.catalogue)):
            videos, lift = _best(champion.recommender, histories.rows(rows), top_k)
            parts.append((rows, np.full(len(rows), number), videos, lift))
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        return Slates(empty, empty, empty.reshape(0, 1), np.zeros((0, 1), dtype=np.float32))
    users, numbers, videos, lift = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Slates(users, numbers, videos, lift)


def within(histories: Histories, span: Span) -> Histories:
    """Only what happened in a span; every row stays, maybe empty."""
    start, end = (int(time.timestamp() / MICROSECOND) for time in (span.start, span.end))
    return histories.select((histories.timestamps >= start) & (histories.timestamps < end))


def _chunks(rows: NDArray[np.int64], n_videos: int) -> list[NDArray[np.int64]]:
    size = max(1, SCORES_AT_ONCE // max(n_videos, 1))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _best(
    recommender: Recommender, histories: Histories, top_k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    scores = recommender.score(histories)
    mean, spread = scores.mean(axis=1, keepdims=True), scores.std(axis=1, keepdims=True)
    row = np.repeat(np.arange(len(histories)), histories.lengths)
    scores[row, histories.videos] = -np.inf
    best = best_columns(scores, top_k)
    lift = (np.take_along_axis(scores, best, axis=1) - mean) / np.maximum(spread, 1e-9)
    return best, lift
