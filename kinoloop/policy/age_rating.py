"""Age rating: nobody sees what is for older people. Holds for every answer, searches too."""

from pydantic import Field

from kinoloop.data.situations import Situation
from kinoloop.policy.columns import number_of
from kinoloop.policy.filters import EVERYTHING, Filters
from kinoloop.settings import Config

NAME = "age_rating"


class AgeRatingConfig(Config):
    """From which age a video may be seen."""

    column: str = Field("", description="Youngest age of a viewer, a number; empty: off.")
    context: str = Field("age", description="Name of the viewer's age in `context` of a request.")
    default: float = Field(0.0, ge=0, description="Age of who did not say, or said no number.")
    unrated: bool = Field(default=True, description="Whether videos without a rating may be seen.")

    def allowed(self, situation: Situation) -> Filters:
        """Return which videos somebody may see."""
        if not self.column:
            return EVERYTHING
        age = number_of(situation.get(f"context.{self.context}"))
        age = self.default if age is None else age
        return {self.column: {"max": age, "missing": self.unrated}}
