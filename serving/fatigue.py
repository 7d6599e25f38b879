"""What was shown often and passed over cools down: section `[policy]`."""

import logging
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.ids import IdMap
from kinoloop.policy.config import PolicyConfig
from serving.caps import Caps
from serving.impressions import Answer, Impressions
from serving.state import STATE_ERRORS, LiveState, People

logger = logging.getLogger(__name__)

NONE = np.empty(0, dtype=np.int32)


class Fatigue:
    """Counts what people are shown.

    Args:
        state: Where the counts are.
        policy: How often is often.
        shown: Whose answers are counted.

    Attributes:
        caps: How often something may be shown, counted with it.
    """

    def __init__(
        self, state: LiveState, policy: PolicyConfig, shown: Impressions | None = None
    ) -> None:
        self._state, self._often, self._within_s = state, policy.fatigue, policy.fatigue_s
        self.caps = Caps(state, policy)
        if shown is not None:
            shown.observe = self.count

    def cooling(self, user: str, ids: IdMap, *, people: People) -> NDArray[np.int32]:
        """Videos that cool down for the person that a pseudonym is, (n,) int32.

        What was watched since is not among what may appear anyway.

        Args:
            user: Pseudonym.
            ids: Of the release.
            people: What is known of the person.
        """
        if not self._often:
            return NONE
        since = round((time.time() - self._within_s) * 1e6)
        names = people.shown_often(user, times=self._often, since=since)
        if not names:
            return NONE
        videos = ids.indices(names)
        return videos[videos >= 0].astype(np.int32)

    def count(self, answers: Sequence[Answer]) -> None:
        """Count answers; called about once per second, outside of any request."""
        self.caps.count(answers)
        if not self._often:
            return
        places = [
            (answer.pseudonym, video, answer.timestamp)
            for answer in answers
            if answer.pseudonym is not None
            for video in answer.videos
        ]
        try:
            self._state.remember_shown(places, within_s=self._within_s)
        except STATE_ERRORS as error:
            logger.warning(
                "what was shown was not counted, so that it does not cool down: %s", error
            )
