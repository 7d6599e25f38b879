"""What a slate is made from, and the slate: one function for the service and for a replay.

Whatever an answer depends on beside the release stands in `Asked`. So an answer that is asked for
again with the same release and the same `Asked` is the same, bit by bit (`kinoloop lineage`).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Interaction
from kinoloop.data.written import Wrote
from kinoloop.release.release import Release
from kinoloop.release.slate import Slate


class Asked(NamedTuple):
    """All that an answer of `/recommend` depends on, beside the release.

    Attributes:
        history: What the recommender reads, oldest first.
        hidden: (n,) videos that must not appear.
        cooling: (n,) videos that were shown and passed over often: only where nothing else is left.
        exclude: External ids that must not appear.
        top_k: How many videos.
        moment: When it is given, µs since the epoch.
        written: What the user searched and commented, oldest first.
    """

    history: Sequence[Interaction]
    hidden: NDArray[np.int32]
    cooling: NDArray[np.int32]
    exclude: Sequence[str]
    top_k: int
    moment: int
    written: Sequence[Wrote] = ()


def slate_of(release: Release, asked: Asked, *, budget_ms: float = math.inf) -> Slate:
    """Recommend.

    Args:
        release: That is in service, or was.
        asked: What is asked.
        budget_ms: How long it may take; see `Release.recommend`.
    """

    def best(top_k: int, hidden: NDArray[np.int32], exclude: Sequence[str]) -> Slate:
        return release.recommend(
            asked.history,
            top_k=top_k,
            exclude=exclude,
            seen=hidden,
            moment=asked.moment,
            budget_ms=budget_ms,
            written=asked.written,
        )

    slate = best(asked.top_k, np.concatenate([asked.hidden, asked.cooling]), asked.exclude)
    left = asked.top_k - len(slate)
    if left and len(asked.cooling):
        shown = [place.video_id for place in slate]
        rest = best(left, asked.hidden, [*asked.exclude, *shown])
        slate = Slate([*slate, *rest], reranked=slate.reranked)
    return slate
