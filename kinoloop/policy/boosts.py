"""Boosts: some videos are worth more for some time, or less."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, Field, field_validator, model_validator

from kinoloop.errors import ConfigError
from kinoloop.policy.filters import Filters, VideoFilters, check_bounds
from kinoloop.policy.head import Context, Head, Rule
from kinoloop.settings import Config


class Dated(Config):
    """What holds from some moment to another."""

    starts: AwareDatetime | None = Field(None, description="Not before; unset: at once.")
    ends: AwareDatetime | None = Field(None, description="No more from then on; unset: for good.")

    @model_validator(mode="after")
    def _starts_first(self) -> "Dated":
        if self.starts and self.ends and self.starts >= self.ends:
            raise ValueError(f"it ends at {self.ends} and starts at {self.starts}, not before")
        return self

    def holds(self, moment: int) -> bool:
        """Whether it holds at a moment, µs since the epoch."""
        after = self.starts is None or self.starts.timestamp() * 1e6 <= moment
        return after and (self.ends is None or moment < self.ends.timestamp() * 1e6)


class Boost(Dated):
    """Which videos are worth how much more."""

    where: Filters = Field(description="As `filters` of a request: columns and values.")
    by: float = Field(
        description="Standard deviations of the candidates' scores that are added; below 0: less."
    )

    @field_validator("where")
    @classmethod
    def _readable(cls, where: Filters) -> Filters:
        try:
            check_bounds(where)
        except ConfigError as err:
            raise ValueError(str(err)) from err
        return where


class Boosts(Rule):
    """Adds to values.

    Args:
        boosts: In force at some time.
        columns: Of the catalogue.
        n_videos: In the catalogue.
    """

    name = "boost"

    def __init__(self, boosts: Sequence[Boost], columns: VideoFilters, n_videos: int) -> None:
        self._boosts = []
        for boost in boosts:
            inside = np.ones(n_videos, dtype=np.bool_)
            inside[columns.outside_of_all([boost.where])] = False
            self._boosts.append((boost, inside))

    def adjust(self, head: Head, context: Context) -> NDArray[np.float64] | None:
        """Add what each boost in force adds."""
        more = [
            np.float64(boost.by) * inside[head.videos]
            for boost, inside in self._boosts
            if boost.holds(context.moment)
        ]
        return np.sum(more, axis=0) if more else None
