"""What a release answers."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Recommendation(NamedTuple):
    """One place of a slate.

    Attributes:
        video_id: External id.
        score: Of the recommender, the similarity or the search; higher is better.
        title: What to show.
        reason: Why it is there, for people.
        start_s: Where in the video is what was looked for, seconds; None where that is not known.
        end_s: Likewise, its end.
    """

    video_id: str
    score: float
    title: str
    reason: str
    start_s: float | None = None
    end_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what is known of it."""
        known: dict[str, Any] = {
            "video_id": self.video_id,
            "score": self.score,
            "title": self.title,
            "reason": self.reason,
        }
        if self.start_s is not None:
            known["start_s"] = self.start_s
        if self.end_s is not None:
            known["end_s"] = self.end_s
        return known


class Slate(list[Recommendation]):
    """Places, best first.

    Args:
        places: Best first.
        reranked: Whether the ranker ordered them; None where the release has none to ask.
        propensities: Chance of each place to show what it shows; None: 1, nothing is left to
            chance.
        asked: (dim,) float32, vector of the query that they answer; None without one.

    Attributes:
        more: Whether there is surely another video that no rule keeps from standing in it, too.
        explained: How it came about, where that was asked for.
        rules: Of each place the reason codes of what moved it, with commas between; empty where
            nothing moved any.
    """

    def __init__(
        self,
        places: Iterable[Recommendation] = (),
        *,
        reranked: bool | None = None,
        propensities: Sequence[float] | None = None,
        asked: NDArray[np.float32] | None = None,
    ) -> None:
        super().__init__(places)
        self.asked = asked
        self.explained: dict[str, Any] | None = None
        self.reranked, self.more = reranked, False
        self.rules: Sequence[str] = ()
        self.propensities = [1.0] * len(self) if propensities is None else list(propensities)


def all_reranked(*parts: Slate) -> bool | None:
    """Whether the ranker ordered every part of an answer; None where the release has none."""
    told = [part.reranked for part in parts if part.reranked is not None]
    return all(told) if told else None
