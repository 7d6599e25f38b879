"""What a slate remembers of those before it: section `[policy]`."""

from pydantic import Field

from kinoloop.settings import Config


class PolicyConfig(Config):
    """Rules of slates over time."""

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

    @property
    def fatigue_s(self) -> float:
        """`fatigue_days` in seconds."""
        return self.fatigue_days * 86_400
