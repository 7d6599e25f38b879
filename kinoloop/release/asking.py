"""Asking a release its golden requests, whatever the clock says and whatever came in since."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.release.given import Given
from kinoloop.release.golden import history_from_json

if TYPE_CHECKING:
    from kinoloop.release.release import Release

TOP_K = 10
NONE = np.empty(0, dtype=np.intp)


def ask(
    release: "Release", request: dict[str, Any], *, without: NDArray[np.integer] = NONE
) -> list[tuple[str, float]]:
    """Ask one golden request.

    Args:
        release: Is asked.
        request: One of `Release.golden_requests`.
        without: Positions that must not be in the answer; what is closed by the clock may be.

    Returns:
        Video ids with their scores, best first.
    """
    if request["ask"] == "recommend":
        known = release.known(history_from_json(request["history"], release.catalogue.ids))
        slate = release.slate_of(
            Histories.from_rows([known]),
            np.array([event.video for event in known], dtype=np.intp),
            without,
            top_k=TOP_K,
            given=Given(_moment(release), exact=True),
        )
    elif request["ask"] == "similar":
        video = release.catalogue.ids.index(request["video_id"])
        slate = release.like(video, without, top_k=TOP_K)
    else:
        slate = release.by_words(request["query"], without, top_k=TOP_K)
    return [(place.video_id, place.score) for place in slate]


def _moment(release: "Release") -> int:
    """Return a moment for the ranker that is the same wherever the release is opened."""
    if release.reranking is None:
        return 0
    return release.reranking.ranker.knowledge.counts.newest
