"""Caps: what one person, or everybody, was shown as often as it may be is left out for a while."""

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.ids import IdMap
from kinoloop.policy.caps import EXPOSURE, FREQUENCY
from kinoloop.policy.config import PolicyConfig
from serving import shown
from serving.impressions import Answer
from serving.state import LiveState

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How long what everybody was shown is not counted anew."""
FORGET_S = 3600.0
HOUR_US = 3_600_000_000


class Caps:
    """Counts what is shown, and says what has reached its cap.

    Args:
        state: Where the counts are.
        policy: The caps.
    """

    def __init__(self, state: LiveState, policy: PolicyConfig) -> None:
        self._state = state
        self._frequency, self._exposure = policy.frequency, policy.exposure
        self._exposed: tuple[float, IdMap | None, NDArray[np.int32]] = (-LOOK_S, None, _none())
        self._next_forget = 0.0

    def reached(self, user: str, ids: IdMap) -> Mapping[str, NDArray[np.int32]]:
        """Videos that must not be shown to the person that a pseudonym is, by the rule, (n,)."""
        found = {}
        if self._frequency.times:
            person = self._state.ids_of(user)[0]
            found[FREQUENCY] = self._of(person, ids, self._frequency.times, self._frequency.days)
        if self._exposure.times:
            looked, known, videos = self._exposed
            if known is not ids or time.monotonic() - looked >= LOOK_S:
                videos = self._of(shown.ALL, ids, self._exposure.times, self._exposure.days)
                self._exposed = (time.monotonic(), ids, videos)
            found[EXPOSURE] = videos
        return found

    def count(self, answers: Sequence[Answer]) -> None:
        """Count answers; called about once per second, outside of any request."""
        if not (self._frequency.times or self._exposure.times):
            return
        try:
            counts = self._counts(answers)
            with self._state.transaction() as connection:
                shown.count_hourly(connection, [(*key, times) for key, times in counts.items()])
                if time.monotonic() >= self._next_forget:
                    self._forget(connection)
        except sqlite3.Error:
            logger.exception("what was shown could not be counted, so that no cap is reached by it")

    def _counts(self, answers: Sequence[Answer]) -> Counter[tuple[str, str, int]]:
        counts: Counter[tuple[str, str, int]] = Counter()
        named = {one.pseudonym for one in answers if self._frequency.times and one.pseudonym}
        persons = {who: self._state.ids_of(who)[0] for who in named}
        for answer in answers:
            hour = answer.timestamp // HOUR_US
            users = [persons[answer.pseudonym]] if answer.pseudonym in persons else []
            users += [shown.ALL] if self._exposure.times else []
            counts.update((user, video, hour) for user in users for video in answer.videos)
        return counts

    def _forget(self, connection: sqlite3.Connection) -> None:
        shown.forget_hours(connection, before=_hour_ago(self._exposure.days), of_all=True)
        shown.forget_hours(connection, before=_hour_ago(self._frequency.days), of_all=False)
        self._next_forget = time.monotonic() + FORGET_S

    def _of(self, user: str, ids: IdMap, times: int, days: float) -> NDArray[np.int32]:
        since = _hour_ago(days)
        names = shown.reached(self._state.connection, user, times=times, since_hour=since)
        videos = ids.indices(names)
        return videos[videos >= 0].astype(np.int32)


def _hour_ago(days: float) -> int:
    """Hour since the epoch, so many days ago."""
    return int((time.time() - days * 86_400) // 3600)


def _none() -> NDArray[np.int32]:
    return np.empty(0, dtype=np.int32)
