"""Rules of slates: section `[policy]`."""

from functools import cached_property
from typing import Literal

from pydantic import Field

from kinoloop.data.situations import Situation
from kinoloop.policy import age_rating, region
from kinoloop.policy.age_rating import AgeRatingConfig
from kinoloop.policy.boosts import Boost
from kinoloop.policy.calibration import CalibrationConfig
from kinoloop.policy.caps import ExposureConfig, FrequencyConfig
from kinoloop.policy.decay import DecayConfig
from kinoloop.policy.dpp import DppConfig
from kinoloop.policy.filters import Filters
from kinoloop.policy.fresh import FreshConfig
from kinoloop.policy.likeness import LikenessConfig
from kinoloop.policy.limits import Limit
from kinoloop.policy.mmr import MmrConfig
from kinoloop.policy.pins import Pin
from kinoloop.policy.region import RegionConfig
from kinoloop.policy.series import SeriesConfig
from kinoloop.settings import Config


class RulesConfig(Config):
    """Rules that make a slate out of the best videos; all are off by default."""

    candidates: int = Field(
        100, ge=1, le=2000, description="Best videos that rules choose from, at least."
    )
    boosts: list[Boost] = Field([], description="Videos that are worth more, or less.")
    pins: list[Pin] = Field([], description="Videos that stand at a place.")
    limits: list[Limit] = Field([], description="At most so many with one value of a column.")
    series: SeriesConfig = SeriesConfig()
    decay: DecayConfig = DecayConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    mmr: MmrConfig = MmrConfig()
    dpp: DppConfig = DppConfig()
    likeness: LikenessConfig = LikenessConfig()
    fresh: FreshConfig = FreshConfig()

    @property
    def on(self) -> bool:
        """Whether any rule is."""
        c = self
        listed = c.boosts or c.pins or c.limits or c.series.column or c.fresh.places
        weighed = c.calibration.weight or c.mmr.weight or c.dpp.weight or c.decay.factor < 1
        return bool(listed or weighed)


class PolicyConfig(RulesConfig):
    """Rules of slates, and what a slate remembers of those before it."""

    fatigue: int = Field(
        10, ge=0, description="Shown so often and passed over, a video cools down; 0: never."
    )
    fatigue_days: float = Field(
        1.0, gt=0, description="Not shown for so long, a video may come again, days."
    )

    explore: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of slates where one place is drawn from the best that are left; 0: "
        "none, and every slate is best first.",
    )
    explore_by: Literal["uniform", "softmax"] = Field(
        "uniform",
        description="uniform: the drawn place goes to one of the best that are left, each equally "
        "likely; softmax: to any of the head of the list, the slate included, better ones sooner.",
    )
    explore_temperature: float = Field(
        10.0,
        ge=0.5,
        le=1000,
        description="Of the softmax, ranks: so much further down, 1/e as likely.",
    )
    explore_among: int = Field(
        50, ge=1, le=500, description="Best videos that are left, of which that one is drawn."
    )
    explore_users: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of people whose slates explore; below 1 the others are the other arm "
        "of an experiment, and impressions say who is in which.",
    )
    age_rating: AgeRatingConfig = AgeRatingConfig()
    region: RegionConfig = RegionConfig()
    frequency: FrequencyConfig = FrequencyConfig()
    exposure: ExposureConfig = ExposureConfig()

    @property
    def fatigue_s(self) -> float:
        """`fatigue_days` in seconds."""
        return self.fatigue_days * 86_400

    @cached_property
    def rules(self) -> RulesConfig | None:
        """The rules alone; None where none is on."""
        if not self.on:
            return None
        return RulesConfig(**{name: getattr(self, name) for name in RulesConfig.model_fields})

    @cached_property
    def _restricts(self) -> bool:
        return bool(self.age_rating.column or self.region.column or self.region.blocked)

    def allowed(self, situation: Situation) -> dict[str, Filters]:
        """Which videos somebody may see at all, by the rule that says so."""
        if not self._restricts:
            return {}
        found = {
            age_rating.NAME: self.age_rating.allowed(situation),
            region.NAME: self.region.allowed(situation),
        }
        return {name: filters for name, filters in found.items() if filters}
