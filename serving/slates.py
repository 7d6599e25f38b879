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
from kinoloop.policy.config import RulesConfig
from kinoloop.policy.filters import EVERYTHING, Filters
from kinoloop.policy.ruling import Ruling
from kinoloop.policy.trace import EXPLORE, FATIGUE, Trace
from kinoloop.release.availability import Window
from kinoloop.release.given import Given
from kinoloop.release.release import Release
from kinoloop.release.slate import Slate, all_reranked
from serving.exploring import Draw, explored

AS_IT_IS: Mapping[int, Window] = {}
"""No operator said anything of a video that its row does not say."""

UNCAPPED: Mapping[str, NDArray[np.int32]] = {}
ALL: Mapping[str, Filters] = {}
NONE = np.empty(0, dtype=np.int32)
NO_RULES = RulesConfig()


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
        blocked: (n,) videos that the user is not interested in.
        capped: Videos that were shown as often as they may be, by the rule that says so.
        allowed: Which videos somebody may see at all, by the rule that says so.
        rules: What makes the slate out of the best videos; None: they are the slate.
        before: External ids of the pages before this one, in their order: rules count them.
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
    blocked: NDArray[np.int32] = NONE
    capped: Mapping[str, NDArray[np.int32]] = UNCAPPED
    allowed: Mapping[str, Filters] = ALL
    rules: RulesConfig | None = None
    before: Sequence[str] = ()


class AskedSimilar(NamedTuple):
    """All that an answer of `/similar` depends on, beside the release; see `Asked`."""

    video_id: str
    top_k: int
    moment: int
    filters: Filters = EVERYTHING
    overruled: Mapping[int, Window] = AS_IT_IS
    allowed: Mapping[str, Filters] = ALL


class AskedSearch(NamedTuple):
    """All that an answer of `/search` depends on, beside the release; see `Asked`."""

    query: str
    top_k: int
    moment: int
    filters: Filters = EVERYTHING
    overruled: Mapping[int, Window] = AS_IT_IS
    allowed: Mapping[str, Filters] = ALL


Question = Asked | AskedSimilar | AskedSearch


def slate_of(
    release: Release,
    asked: Question,
    *,
    budget_ms: float = math.inf,
    trace: Trace | None = None,
) -> Slate:
    """Answer a question.

    Args:
        release: That is in service, or was.
        asked: What is asked.
        budget_ms: How long it may take, with all that is asked of the release for it; see
            `Release.recommend`.
        trace: Takes down how a slate of `/recommend` comes about; None: nobody asked.
    """
    if isinstance(asked, Asked):
        slate = _recommended(_Asking(release, asked, time.perf_counter() + budget_ms / 1e3), trace)
        if trace is not None:
            videos = [place.video_id for place in slate]
            slate.explained = trace.told(videos, release.catalogue.ids)
        return slate
    given = Given(asked.moment, filters=asked.filters, allowed=[*asked.allowed.values()])
    if isinstance(asked, AskedSimilar):
        return release.similar(asked.video_id, top_k=asked.top_k, given=given)
    return release.search(asked.query, top_k=asked.top_k, given=given)


class _Asking:
    """Asks a release for the best videos, once or several times.

    Args:
        release: That is in service, or was.
        asked: What is asked.
        deadline: When the answer is due, by `time.perf_counter`.
    """

    def __init__(self, release: Release, asked: Asked, deadline: float) -> None:
        self.release, self.asked, self._deadline = release, asked, deadline
        self._hidden = [asked.hidden, asked.blocked, *asked.capped.values()]
        self._allowed = [*asked.allowed.values()]

    def best(
        self, top_k: int, shown: Sequence[str], *, cooling: bool, ruling: Ruling | None
    ) -> Slate:
        """Return the best but for those that are shown, with those that cool down or without."""
        asked = self.asked
        hidden = self._hidden if cooling else [*self._hidden, asked.cooling]
        return self.release.recommend(
            asked.history,
            top_k=top_k,
            exclude=[*asked.exclude, *shown],
            seen=np.concatenate(hidden),
            given=Given(asked.moment, asked.situation, asked.filters, self._allowed, ruling),
            budget_ms=1e3 * (self._deadline - time.perf_counter()),
            written=asked.written,
        )

    def ruling(
        self, shown: Sequence[str] = (), *, trace: Trace | None = None, strict: bool = False
    ) -> Ruling | None:
        """Return what makes a slate out of the best videos, after those that are shown."""
        asked = self.asked
        if asked.rules is None and trace is None:
            return None
        return Ruling(
            self.release.policies.of(asked.rules or NO_RULES),
            met=asked.hidden,
            surface=asked.situation.get("surface"),
            taken=[at for at in self.positions([*asked.before, *shown]) if at >= 0],
            strict=strict,
            trace=trace,
        )

    def positions(self, videos: Sequence[str]) -> list[int]:
        """Positions of videos in the catalogue."""
        return [self.release.catalogue.ids.index(video) for video in videos]

    def others(self, shown: Sequence[str], top_k: int) -> Slate:
        """Return the best of what is left, what cools down only where nothing else is."""
        ruling = self.ruling(shown, strict=True)
        rest = self.best(top_k, shown, cooling=False, ruling=ruling)
        if rest or not len(self.asked.cooling):
            return rest
        ruling = self.ruling(shown, strict=True)
        return self.best(top_k, shown, cooling=True, ruling=ruling)


def _recommended(asking: _Asking, trace: Trace | None) -> Slate:
    asked, ruling = asking.asked, asking.ruling(trace=trace)
    slate = asking.best(asked.top_k, (), cooling=False, ruling=ruling)
    moved = _moved(ruling, slate)
    left = asked.top_k - len(slate)
    if left and len(asked.cooling):
        shown = [place.video_id for place in slate]
        rest = asking.best(left, shown, cooling=True, ruling=asking.ruling(shown))
        moved = [*_moved(ruling, slate), *[FATIGUE] * len(rest)]
        slate = Slate([*slate, *rest], reranked=all_reranked(slate, rest))
        if trace is not None:
            later = asking.positions([place.video_id for place in rest])
            trace.later |= dict.fromkeys(later, FATIGUE)
    if asked.draw is not None:
        held = frozenset() if ruling is None else ruling.held
        best, slate = slate, explored(slate, asked.draw, asking.others, held=held)
        if slate is not best:
            pairs = enumerate(zip(best, slate, strict=True))
            drawn = [at for at, (one, other) in pairs if one.video_id != other.video_id]
            moved = [
                EXPLORE if at in drawn else why for at, why in enumerate(moved or [""] * len(slate))
            ]
    if any(moved):
        slate.rules = moved
    return slate


def _moved(ruling: Ruling | None, slate: Slate) -> Sequence[str]:
    """Return what moved each place; nothing where there are no rules."""
    return [""] * len(slate) if ruling is None else ruling.moved
