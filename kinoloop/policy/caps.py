"""Caps on how often something is shown: a video to one person, a video to all people.

The service counts what it shows (about once per second, so that a cap may be passed by as much as
is shown in a second) and leaves out what has reached a cap until the window has moved on. Windows
move by the hour.
"""

from pydantic import Field

from kinoloop.settings import Config

FREQUENCY, EXPOSURE = "frequency_cap", "exposure_cap"


class FrequencyConfig(Config):
    """How often a person is shown one video."""

    times: int = Field(0, ge=0, description="At most so often in the window; 0: no cap.")
    days: float = Field(7.0, gt=0, le=90, description="The window, days.")


class ExposureConfig(Config):
    """How often one video is shown to all people together."""

    times: int = Field(0, ge=0, description="At most so often in the window; 0: no cap.")
    days: float = Field(1.0, gt=0, le=90, description="The window, days.")
