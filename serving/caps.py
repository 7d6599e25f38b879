"""Caps: what one person, or everybody, was shown as often as it may be is left out for a while."""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.ids import IdMap
from kinoloop.policy.caps import EXPOSURE, FREQUENCY, ExposureConfig, FrequencyConfig
from kinoloop.policy.config import PolicyConfig
from serving import shown
from serving.impressions import Answer
from serving.state import STATE_ERRORS, LiveState, People

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

    def reached(self, user: str, ids: IdMap, *, people: People) -> Mapping[str, NDArray[np.int32]]:
        """Return what must not be shown to somebody.

        Args:
            user: Pseudonym.
            ids: Of the release.
            people: What is known of the person.

        Returns:
            Videos by the rule, (n,) each.
        """
        found = {}
        if self._frequency.times:
            person = people.ids_of(user)[0]
            found[FREQUENCY] = _of(person, ids, cap=self._frequency, people=people)
        if self._exposure.times:
            looked, known, videos = self._exposed
            if known is not ids or time.monotonic() - looked >= LOOK_S:
                videos = _of(shown.ALL, ids, cap=self._exposure, people=people)
                self._exposed = (time.monotonic(), ids, videos)
            found[EXPOSURE] = videos
        return found

    def count(self, answers: Sequence[Answer]) -> None:
        """Count answers; called about once per second, outside of any request."""
        if not (self._frequency.times or self._exposure.times):
            return
        try:
            counts = self._counts(answers)
            self._state.count_hourly([(*key, times) for key, times in counts.items()])
            if time.monotonic() >= self._next_forget:
                self._forget()
        except STATE_ERRORS as error:
            logger.warning("what was shown was not counted, so that no cap is reached: %s", error)

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

    def _forget(self) -> None:
        self._state.forget_hours(before=_hour_ago(self._exposure.days), of_all=True)
        self._state.forget_hours(before=_hour_ago(self._frequency.days), of_all=False)
        self._next_forget = time.monotonic() + FORGET_S


def _of(
    user: str, ids: IdMap, *, cap: FrequencyConfig | ExposureConfig, people: People
) -> NDArray[np.int32]:
    videos = ids.indices(people.reached(user, times=cap.times, since_hour=_hour_ago(cap.days)))
    return videos[videos >= 0].astype(np.int32)


def _hour_ago(days: float) -> int:
    """Hour since the epoch, so many days ago."""
    return int((time.time() - days * 86_400) // 3600)


def _none() -> NDArray[np.int32]:
    return np.empty(0, dtype=np.int32)
