"""Settings of safety: section `safety` of `kinoloop.toml`."""

from typing import Literal

from pydantic import Field, model_validator

from kinoloop.settings import Config

Outcome = Literal["shown", "marked", "waiting", "hidden"]
OUTCOMES: tuple[Outcome, ...] = ("shown", "marked", "waiting", "hidden")
"""Mildest first."""


class Levels(Config):
    """From which probability on what follows; a level that is not named never follows."""

    mark: float | None = Field(None, gt=0, le=1, description="Only noted; the video is shown.")
    wait: float | None = Field(None, gt=0, le=1, description="Not shown until a person says so.")
    hide: float | None = Field(None, gt=0, le=1, description="Not shown.")

    @model_validator(mode="after")
    def _ascend(self) -> "Levels":
        given = [level for level in (self.mark, self.wait, self.hide) if level is not None]
        if given != sorted(given):
            raise ValueError("mark, wait and hide must not fall, such as 0.4, 0.7 and 0.9")
        return self

    def outcome(self, score: float) -> Outcome:
        """Say what a probability leads to.

        Example:
            >>> Levels(mark=0.4, hide=0.9).outcome(0.5)
            'marked'
        """
        found: Outcome = "shown"
        for level, outcome in zip((self.mark, self.wait, self.hide), OUTCOMES[1:], strict=True):
            if level is not None and score >= level:
                found = outcome
        return found


USUAL = Levels(mark=0.4, wait=0.7, hide=0.9)


class SafetyConfig(Config):
    """What is scored, and what follows from a score."""

    enabled: bool = Field(default=True, description="Whether the extract flow looks for harm.")
    lines: str = Field(
        default="", description="Lines that teach it; empty: kinoloop/safety/lines.toml."
    )
    comments: int = Field(
        default=20, ge=0, le=1000, description="Newest comments of a video; they only mark it."
    )
    levels: dict[str, Levels] = Field(
        default={
            "sexual": USUAL,
            "violence": USUAL,
            "hate": USUAL,
            "abuse": USUAL,
            "self_harm": USUAL,
            "drugs": USUAL,
        },
        description="By kind of harm.",
    )
