"""Pins: a video stands at a place for some time, whatever its score.

What must not be shown to somebody is not shown by a pin either: it is closed, filtered out, refused
by the user, seen already, or shows the same as what was seen.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.ids import IdMap
from kinoloop.models.scores import Scored
from kinoloop.policy.boosts import Dated
from kinoloop.policy.head import Context, Rule


class Pin(Dated):
    """Which video stands where."""

    video_id: str = Field(description="Of the catalogue; one that it does not have is no pin.")
    place: int = Field(
        1, ge=1, le=500, description="From 1, over all pages; a slate that is shorter has no such."
    )
    surface: str = Field("", description="Only there, as in `surface` of a request; empty: all.")


class Pins(Rule):
    """Holds videos at places; of two pins of one place the first counts, and one of each video.

    Args:
        pins: In force at some time.
        ids: Of the catalogue.
    """

    name = "pin"

    def __init__(self, pins: Sequence[Pin], ids: IdMap) -> None:
        known = [(pin, ids.index(pin.video_id)) for pin in pins]
        self._pins = [(pin, video) for pin, video in known if video >= 0]

    def held(self, context: Context) -> list[tuple[int, int]]:
        """Places, from 0, with the position that stands there."""
        places: dict[int, int] = {}
        if context.drawn:
            return []
        for pin, video in self._pins:
            place = pin.place - 1 - context.before
            here = pin.surface in {"", context.surface} and 0 <= place < context.top_k
            if here and pin.holds(context.moment) and video not in places.values():
                places.setdefault(place, video)
        return sorted(places.items())

    def joins(self, scores: Scored, context: Context) -> NDArray[np.integer]:  # noqa: ARG002 (as of Rule)
        """Every video that is held."""
        return np.array([video for _, video in self.held(context)], dtype=np.intp)
