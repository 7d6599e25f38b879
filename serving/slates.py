"""What a slate is made from, and the slate: one function for the service and for a replay.

Whatever an answer depends on beside the release stands in `Asked`, `AskedSimilar` or `AskedSearch`.
So an answer that is asked for again with the same release and the same question is the same, bit by
bit (`kinoloop lineage`).
"""

import math
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Interaction
from kinoloop.data.situations import NOWHERE, Situation
from kinoloop.data.written import Wrote
from kinoloop.release.availability import Window
from kinoloop.release.given import EVERYTHING, Filters, Given
from kinoloop.release.release import Release
from kinoloop.release.slate import Slate, all_reranked
from serving.exploring import Draw, explored

AS_IT_IS: Mapping[int, Window] = {}
"""No operator said anything of a video that its row does not say."""


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
        situation: Surface, device and what else the client said.
        filters: Which videos may be there at all.
        draw: What is left to chance; None leaves nothing.
        overruled: When videos may be shown, where operators overrule the release.
    """

    history: Sequence[Interaction]
    hidden: NDArray[np.int32]
    cooling: NDArray[np.int32]
    exclude: Sequence[str]
    top_k: int
    moment: int
    written: Sequence[Wrote] = ()
    situation: Situation = NOWHERE
    filters: Filters = EVERYTHING
    draw: Draw | None = None
    overruled: Mapping[int, Window] = AS_IT_IS


class AskedSimilar(NamedTuple):
    """All that an answer of `/similar` depends on, beside the release; see `Asked`."""

    video_id: str
    top_k: int
    moment: int
    filters: Filters = EVERYTHING
    overruled: Mapping[int, Window] = AS_IT_IS


class AskedSearch(NamedTuple):
    """All that an answer of `/search` depends on, beside the release; see `Asked`."""

    query: str
    top_k: int
    moment: int
    filters: Filters = EVERYTHING
    overruled: Mapping[int, Window] = AS_IT_IS


Question = Asked | AskedSimilar | AskedSearch


def slate_of(release: Release, asked: Question, *, budget_ms: float = math.inf) -> Slate:
    """Answer a question.

    Args:
        release: That is in service, or was.
        asked: What is asked.
        budget_ms: How long it may take, with all that is asked of the release for it; see
            `Release.recommend`.
    """
    started = time.perf_counter()
    if isinstance(asked, AskedSimilar):
        given = Given(asked.moment, filters=asked.filters)
        return release.similar(asked.video_id, top_k=asked.top_k, given=given)
    if isinstance(asked, AskedSearch):
        given = Given(asked.moment, filters=asked.filters)
        return release.search(asked.query, top_k=asked.top_k, given=given)

    def best(top_k: int, shown: Sequence[str], *, cooling: bool) -> Slate:
        """Return the best but for those that are shown, with those that cool down or without."""
        hidden = asked.hidden if cooling else np.concatenate([asked.hidden, asked.cooling])
        return release.recommend(
            asked.history,
            top_k=top_k,
            exclude=[*asked.exclude, *shown],
            seen=hidden,
            given=Given(asked.moment, asked.situation, asked.filters),
            budget_ms=budget_ms - 1e3 * (time.perf_counter() - started),
            written=asked.written,
        )

    def others(shown: Sequence[str], top_k: int) -> Slate:
        rest = best(top_k, shown, cooling=False)
        return rest if rest or not len(asked.cooling) else best(top_k, shown, cooling=True)

    slate = best(asked.top_k, (), cooling=False)
    left = asked.top_k - len(slate)
    if left and len(asked.cooling):
        rest = best(left, [place.video_id for place in slate], cooling=True)
        slate = Slate([*slate, *rest], reranked=all_reranked(slate, rest))
    return slate if asked.draw is None else explored(slate, asked.draw, others)
