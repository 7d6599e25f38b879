"""Region: where a video may be seen. Holds for every answer, searches too.

A video names the regions that it may be seen in (`column`), those that it may not be seen in
(`blocked`), both, or neither: then it may be seen everywhere. Who does not say where they are sees
what names no region that it may be seen in.
"""

from pydantic import Field

from kinoloop.data.situations import Situation
from kinoloop.policy.filters import Filters, Plain
from kinoloop.settings import Config

NAME = "region"


class RegionConfig(Config):
    """Where a video may be seen."""

    column: str = Field("", description="Regions that a video may be seen in; empty: off.")
    blocked: str = Field("", description="Regions that it may not be seen in; empty: off.")
    context: str = Field("region", description="Name of the region in `context` of a request.")
    default: str = Field("", description="Region of who did not say; empty: none.")

    def allowed(self, situation: Situation) -> Filters:
        """Return which videos somebody may see."""
        region = situation.get(f"context.{self.context}") or self.default
        here: list[Plain] = [region] if region else []
        allowed: Filters = {}
        if self.column:
            allowed = {self.column: {"any": here, "missing": True}}
        if self.blocked and here:
            allowed = {**allowed, self.blocked: {"not": here}}
        return allowed
