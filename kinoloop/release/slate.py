"""What a release answers."""

from collections.abc import Iterable
from typing import NamedTuple


class Recommendation(NamedTuple):
    """One place of a slate.

    Attributes:
        video_id: External id.
        score: Of the recommender, the similarity or the search; higher is better.
        title: What to show.
        reason: Why it is there, for people.
    """

    video_id: str
    score: float
    title: str
    reason: str


class Slate(list[Recommendation]):
    """Places, best first.

    Args:
        places: Best first.
        reranked: Whether the ranker ordered them; None where the release has none to ask.
    """

    def __init__(
        self, places: Iterable[Recommendation] = (), *, reranked: bool | None = None
    ) -> None:
        super().__init__(places)
        self.reranked = reranked
