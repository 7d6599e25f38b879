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

    @property
    def fatigue_s(self) -> float:
        """`fatigue_days` in seconds."""
        return self.fatigue_days * 86_400
