"""Measuring an index: how many lists must be searched so that the best are found.

For each share of the videos that a filter may leave, two filters are tried: one that leaves videos
everywhere, and one that leaves a region of the space, as a category does, which most queries are
far from. The fewest lists are taken with which both find enough: the mean over queries less its
standard error. Where scoring what is left in full takes less work, or no number of lists finds
enough, that is done instead. Work is counted, not timed: the same release comes out of a busy
machine.
"""

import logging
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.retrieval.allowed import Allowed
from kinoloop.retrieval.coded import AT_A_TIME, CodedLists
from kinoloop.retrieval.plan import AT, SHARES, TIMES, Level, Plan
from kinoloop.retrieval.searching import FEW, nearest
from kinoloop.retrieval.space import Space

logger = logging.getLogger(__name__)

GATHERED = 4.0
"""Codes that are searched while one vector from anywhere is read and scored in full.

Of 64 numbers a code took 11 ns, a vector from anywhere 36 and one of many in a row 11, a code that
is left out 4; of 384 numbers 54, 326, 122 and 4 (one core of an AMD EPYC).
"""

STREAMED = 1.5
"""Likewise of vectors that are read one after the other."""

PASSED_OVER = 0.3
"""Likewise of codes that a filter leaves out."""


class _Filter(NamedTuple):
    allowed: Allowed
    marks: NDArray[np.bool_]
    holding: NDArray[np.bool_] | None
    best: list[NDArray[np.int64]]  # of each query


def measured(
    lists: CodedLists,
    list_of: NDArray[np.int32],
    space: Space,
    queries: NDArray[np.float32],
    *,
    recall: float,
) -> tuple[Level, ...]:
    """Find how many lists each share needs.

    Args:
        lists: Of all videos of the space.
        list_of: (n_videos,) in which list each is.
        space: The vectors.
        queries: (n, dim) that are asked.
        recall: Least share of the best `AT` that must be found.
    """
    rng = np.random.default_rng(0)
    regions = queries[rng.permutation(len(queries))[: len(SHARES)]]
    near = _projections(space, regions)
    filters = []
    for at, share in enumerate(SHARES):
        marks = [rng.random(space.n_videos) < share, _highest(near[at % len(near)], share)]
        filters.append([_filter(one, list_of, len(lists.sizes)) for one in marks])
    _find_best(space, queries, [one for pair in filters for one in pair])
    found: list[Level] = []
    for share, pair in zip(SHARES, filters, strict=True):
        probes = max([1, *(level.probes for level in found)])
        level = _level(lists, space, queries, pair, share=share, probes=probes, least=recall)
        found.append(level)
    return tuple(found)


def _level(
    lists: CodedLists,
    space: Space,
    queries: NDArray[np.float32],
    filters: list[_Filter],
    *,
    share: float,
    probes: int,
    least: float,
) -> Level:
    """Try more and more lists; none where that is more work than scoring what is left."""
    n_lists, left = len(lists.sizes), filters[0].allowed.count
    in_full = min(left * GATHERED, space.n_videos * STREAMED)
    while True:
        shares = [_shares(lists, space, queries, one, probes) for one in filters]
        sure = min(one.mean() - one.std() / len(one) ** 0.5 for one in shares)
        if sure >= least and _work(lists, share, probes) <= in_full:
            spread, near = (float(one.mean()) for one in shares)
            return Level(share=share, probes=probes, recall=spread, recall_near=near)
        if probes >= n_lists or _work(lists, share, 2 * probes) > in_full:
            return Level(share=share, probes=0, recall=1.0, recall_near=1.0)
        probes = min(n_lists, -(-probes * 3 // 2))


def _work(lists: CodedLists, share: float, probes: int) -> float:
    """Codes' worth of work of one search."""
    codes = len(lists) * min(1.0, probes / len(lists.sizes))
    passing = share + (1 - share) * PASSED_OVER
    return len(lists.sizes) * STREAMED + codes * passing + TIMES * AT * GATHERED


def _shares(
    lists: CodedLists,
    space: Space,
    queries: NDArray[np.float32],
    one: _Filter,
    probes: int,
) -> NDArray[np.float64]:
    """Share of the best that is found, for each query."""
    shares = []
    for query, best in zip(queries, one.best, strict=True):
        some = nearest(lists, query, AT, probes=probes, allowed=one.allowed, holding=one.holding)
        scores = space.rows(some) @ query
        found = some[np.argsort(-scores, kind="stable")[:AT]]
        shares.append(len(np.intersect1d(found, best)) / max(1, len(best)))
    return np.array(shares)


def _filter(marks: NDArray[np.bool_], list_of: NDArray[np.int32], n_lists: int) -> _Filter:
    allowed, holding = Allowed.of(marks), None
    if marks.sum() <= FEW * len(marks):
        holding = np.bincount(list_of[marks], minlength=n_lists) > 0
    return _Filter(allowed, marks, holding, [])


def _projections(space: Space, directions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Products of every video with some directions, (n_directions, n_videos)."""
    found = np.empty((len(directions), space.n_videos), dtype=np.float32)
    for part in _parts(space.n_videos):
        found[:, part] = directions @ space.rows(part).T
    return found


def _highest(values: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """Mark a share of the highest."""
    left = min(len(values) - 1, int((1 - share) * len(values)))
    return np.asarray(values >= np.partition(values, left)[left])


def _find_best(space: Space, queries: NDArray[np.float32], filters: list[_Filter]) -> None:
    """Find the best `AT` that each filter leaves, for each query, by scoring all videos."""
    n = len(queries)
    videos = [np.full((n, AT), -1, dtype=np.int64) for _ in filters]
    highest = [np.full((n, AT), -np.inf, dtype=np.float32) for _ in filters]
    for part in _parts(space.n_videos):
        scores = queries @ space.rows(part).T
        for at, one in enumerate(filters):
            some = np.flatnonzero(one.marks[part])
            here = np.broadcast_to(part.start + some, (n, len(some)))
            both = np.concatenate([highest[at], scores[:, some]], axis=1)
            top = np.argpartition(-both, AT - 1, axis=1)[:, :AT]
            highest[at] = np.take_along_axis(both, top, axis=1)
            named = np.concatenate([videos[at], here], axis=1)
            videos[at] = np.take_along_axis(named, top, axis=1)
    for one, found in zip(filters, videos, strict=True):
        one.best.extend(row[row >= 0] for row in found)


def _parts(n_videos: int) -> Iterator[slice]:
    for start in range(0, n_videos, AT_A_TIME):
        yield slice(start, min(start + AT_A_TIME, n_videos))


def plan_of(levels: tuple[Level, ...], n_videos: int, before: Plan | None) -> Plan:
    """Make the plan of an index whose lists are new, or were made for the plan before."""
    first = levels[0].probes
    if before is None:
        return Plan(videos=n_videos, built=n_videos, probes=first, levels=levels)
    return Plan(videos=n_videos, built=before.built, probes=before.probes, levels=levels)
