"""Off-policy estimates from the log: the answers of a window, and what a policy would have shown.

All are asked about the same answers, those whose requests left it open what to show; candidates are
fitted on what came before the window, so that none has seen what it is judged by.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.histories import Histories
from kinoloop.data.logged import Logged, load_logged
from kinoloop.data.sampling import evenly_spaced
from kinoloop.data.tables import Tables
from kinoloop.errors import DataError
from kinoloop.evaluation.evaluate import Rankable
from kinoloop.evaluation.off_policy import Estimated, Interval, estimate
from kinoloop.evaluation.replay import before, slates_of, under, without_chance
from kinoloop.policy.config import PolicyConfig
from kinoloop.promotion.replayed import replayed
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.features import durations_of
from kinoloop.ranking.rewards import WANTED, rewards
from kinoloop.release.availability import Availability
from kinoloop.release.release import Release
from kinoloop.settings import Config
from kinoloop.training.model_selection import TrainingData


class LoggedConfig(Config):
    """How a log is read."""

    window: str = Field("test", pattern="^(test|validation)$", description="Whose answers.")
    reward: str = Field(WANTED, description="What a place brings.")
    clip: float | None = Field(None, gt=0, description="Largest weight; None: none is too large.")
    answers: int = Field(5000, ge=1, description="That every policy is asked about, at most.")
    seed: int = Field(0, ge=0, description="Of the bootstrap.")


@dataclass(frozen=True)
class LoggedWindow:
    """The answers of a window.

    Attributes:
        config: How the log is read.
        data: Catalogue and histories.
        logged: All answers.
        rewards: (n_places,) what each of their places brought.
        asked: Rows of `logged` that policies are asked about.
        histories: Of these, what was known of their users.
    """

    config: LoggedConfig
    data: TrainingData
    logged: Logged
    rewards: NDArray[np.float64]
    asked: NDArray[np.intp]
    histories: Histories

    @classmethod
    def read(
        cls,
        tables: Tables,
        data: TrainingData,
        config: LoggedConfig,
        ranker: RankerConfig,
        *,
        since: datetime | None = None,
    ) -> "LoggedWindow":
        """Read the answers of a window.

        Args:
            tables: With what was shown.
            data: Catalogue, histories and windows.
            config: How the log is read.
            ranker: Says what is wanted.
            since: Older answers are left out: something that is asked has learned from them.

        Raises:
            DataError: No answer was given with a known chance.
            ConfigError: There is no such reward.
        """
        start, end = _bounds(data, config.window)
        if since is not None:
            start = max(start, round(since.timestamp() * 1e6) + 1)
        everything = load_logged(tables, data.catalogue.ids, since=start)
        moments = everything.moments
        logged = everything.select((moments >= start) & (moments < end))
        free = np.flatnonzero(~logged.narrowed)
        if not len(free):
            raise DataError(
                f"the {config.window} window has {len(logged)} answers with known chances, none of "
                "them of a request without filters, exclusions and pages; let people use the "
                "service with [policy] explore above 0, and run kinoloop ingest"
            )
        found = rewards(logged.exposures, durations_of(data.catalogue), config.reward, ranker)
        asked = free[evenly_spaced(len(free), config.answers)]
        histories = before(data.histories, logged.select(asked))
        return cls(config, data, logged, found, asked, histories)

    def as_it_was(self) -> dict[str, tuple[int, Interval]]:
        """Count the answers, and what one brought, of each policy that gave some."""
        found = {}
        for name in np.unique(self.logged.policies).tolist():
            part = self.logged.policies == name
            some = self.logged.select(part)
            places = without_chance(some, self.rewards[part[self.logged.answers]])
            found[str(name)] = (len(some), estimate(places, seed=self.config.seed).logged)
        return found

    def without_chance(self) -> Estimated:
        """Estimate what the same policies would have brought with nothing left to chance."""
        places = without_chance(self.logged, self.rewards)
        return estimate(places, clip=self.config.clip, seed=self.config.seed)

    def of_recommender(self, recommender: Rankable) -> Estimated:
        """Estimate what a recommender by itself would have brought."""
        availability = Availability(self.data.catalogue)
        logged = self.logged.select(self.asked)
        return self._of(slates_of(recommender, logged, self.histories, closed=availability.closed))

    def of_release(
        self, release: Release, policy: PolicyConfig, *, each: Callable[[], object] = lambda: None
    ) -> Estimated:
        """Estimate what a release would have brought, ranker and rules included.

        Args:
            release: Opened.
            policy: Rules of slates.
            each: Called after every answer.
        """
        logged, ids = self.logged.select(self.asked), self.data.catalogue.ids
        return self._of(replayed(release, logged, self.histories, policy, ids=ids, each=each))

    def _of(self, slates: NDArray[np.int64]) -> Estimated:
        logged = self.logged.select(self.asked)
        mine = self.rewards[np.isin(self.logged.answers, self.asked)]
        places = under(logged, mine, slates, n_videos=len(self.data.catalogue))
        return estimate(places, clip=self.config.clip, seed=self.config.seed)


def _bounds(data: TrainingData, window: str) -> tuple[int, int]:
    """When a window begins and ends, µs; windows that are not cut in time are all of it."""
    never = int(np.iinfo(np.int64).max)
    validation = data.split.validation.targets.timestamps
    test = data.split.test.targets.timestamps
    if validation.max() >= test.min():
        return 0, never
    start, middle = int(validation.min()), int(test.min())
    return (middle, never) if window == "test" else (start, middle)
