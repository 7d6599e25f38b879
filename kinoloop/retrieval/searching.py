"""Searching an index by its plan: which lists, how many candidates, or none and all in full."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinoloop.retrieval.allowed import Allowed
from kinoloop.retrieval.coded import CodedLists
from kinoloop.retrieval.plan import AT, TIMES, Plan
from kinoloop.retrieval.space import as_long

FEW = 0.3
"""Share of videos up to which lists that hold none of them are passed over."""


class Index(Protocol):
    """Says among which videos the best are."""

    def holding(self, allowed: Allowed) -> NDArray[np.bool_] | None:
        """Return what helps to look for some videos, which may be kept; None: nothing does."""

    def look_for(
        self,
        vector: NDArray[np.float32],
        count: int,
        allowed: Allowed,
        *,
        holding: NDArray[np.bool_] | None,
        least: int = 0,
    ) -> NDArray[np.int64] | None:
        """Positions among which the best are; None: all that are allowed must be scored.

        Args:
            vector: (dim,) query.
            count: How many best ones are looked for.
            allowed: Which may be found.
            holding: What `holding` gave for them, or for more.
            least: So many are wanted at least, since the vector says only a part of the score.
        """


@dataclass(frozen=True)
class Listed:
    """An index of coded lists, searched by its plan.

    Attributes:
        lists: Codes.
        list_of: (n_videos,) int32, in which list each video is.
        plan: How it is searched.
    """

    lists: CodedLists
    list_of: NDArray[np.int32]
    plan: Plan

    def holding(self, allowed: Allowed) -> NDArray[np.bool_] | None:
        """Which lists have any of some videos, (n_lists,)."""
        if allowed.count > FEW * allowed.n_videos:
            return None
        found = np.zeros(len(self.lists.sizes), dtype=np.bool_)
        held = self.list_of[allowed.videos]
        found[held[held >= 0]] = True
        return found

    def look_for(
        self,
        vector: NDArray[np.float32],
        count: int,
        allowed: Allowed,
        *,
        holding: NDArray[np.bool_] | None,
        least: int = 0,
    ) -> NDArray[np.int64] | None:
        """Search as many lists as were found to be needed; None where they hold too few."""
        probes = self.plan.level(allowed.count / max(1, allowed.n_videos)).probes
        if not probes:
            return None
        asked = as_long(vector, self.lists.dim)
        found = nearest(
            self.lists,
            asked,
            count,
            probes=probes,
            allowed=allowed,
            holding=holding,
            least=least,
        )
        return found if len(found) >= count else None


@dataclass(frozen=True)
class Ordered:
    """What needs no query: the videos by what they score whatever is asked.

    Attributes:
        order: (n_videos,) int32, highest first.
    """

    order: NDArray[np.int32]

    @classmethod
    def by(cls, scores: NDArray[np.float32]) -> "Ordered":
        """Order all videos by some scores, (n_videos,); equals by their position."""
        return cls(np.argsort(-scores, kind="stable").astype(np.int32))

    def holding(self, allowed: Allowed) -> None:
        """Return nothing."""

    def look_for(
        self,
        vector: NDArray[np.float32],  # noqa: ARG002 (as of Index)
        count: int,
        allowed: Allowed,
        *,
        holding: NDArray[np.bool_] | None,  # noqa: ARG002 (as of Index)
        least: int = 0,  # noqa: ARG002 (as of Index)
    ) -> NDArray[np.int64] | None:
        """Walk down the order until enough are found."""
        found, start, step = np.empty(0, dtype=np.int64), 0, 4 * count
        while start < len(self.order) and len(found) < count:
            part = self.order[start : start + step]
            found = np.concatenate([found, part[allowed.has(part)]])
            start, step = start + step, 2 * step
        return found


def nearest(
    lists: CodedLists,
    vector: NDArray[np.float32],
    count: int,
    *,
    probes: int,
    allowed: Allowed | None = None,
    holding: NDArray[np.bool_] | None = None,
    least: int = 0,
) -> NDArray[np.int64]:
    """Positions among which the best are, to be scored in full: some times as many as asked for.

    Args:
        lists: Codes.
        vector: (dim,) query.
        count: How many best ones are looked for.
        probes: Lists searched for up to `AT` of them; more are looked for in more lists.
        allowed: Which may be found; None: all.
        holding: Lists that have any of those; None: all lists may.
        least: So many are given at least, where there are so many.
    """
    near = lists.centres @ vector
    some = np.arange(len(near)) if holding is None else np.flatnonzero(holding)
    passing = len(lists) if allowed is None else allowed.count
    wider = max(probes * max(1.0, count / AT), 2 * least * len(some) / max(1, passing))
    wider = min(len(some), math.ceil(wider))
    if wider < len(some):
        some = some[np.argpartition(-near[some], wider)[:wider]]
    if not len(some):
        return np.empty(0, dtype=np.int64)
    bits = None if allowed is None else allowed.bits
    return lists.search(vector, max(TIMES * max(count, AT), least), some, bits)
