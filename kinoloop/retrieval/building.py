"""Making an index for a space, and growing one: new and changed vectors go into its lists.

Lists stay as long as they serve: an index is made anew once many videos came since they were
learned, once finding enough takes twice as many of them, or once it cannot be done at all.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.sampling import evenly_spaced
from kinoloop.retrieval.coded import AT_A_TIME, PER_LIST, CodedLists
from kinoloop.retrieval.config import RetrievalConfig
from kinoloop.retrieval.measure import measured, plan_of
from kinoloop.retrieval.plan import Plan
from kinoloop.retrieval.searching import Listed
from kinoloop.retrieval.space import Space, as_long

logger = logging.getLogger(__name__)

FEW = 0.02
"""Share of videos that may come or change before an index is measured again."""

Queries = Callable[[], NDArray[np.float32]]

WORSE = 2
"""Times as many lists as at first, from which an index is made anew."""


def built(space: Space, queries: Queries, config: RetrievalConfig) -> Listed:
    """Make the index of a space.

    Args:
        space: The vectors.
        queries: Gives (n, dim) such as will be asked: they measure it.
        config: How well it must find.
    """
    space = space.padded()
    n_lists = max(1, round(2 * space.n_videos**0.5))
    sample = space.rows(evenly_spaced(space.n_videos, PER_LIST * n_lists))
    lists = CodedLists.learned(np.ascontiguousarray(sample), n_lists)
    lists = lists.added(_parts(space, np.arange(space.n_videos)))
    return _measured(lists, space, queries, config, before=None)


def grown(
    path: Path,
    before: Listed,
    space: Space,
    queries: Queries,
    *,
    changed: NDArray[np.integer],
    config: RetrievalConfig,
) -> Listed:
    """Return an index over a space that has grown, made anew where the old lists serve no more.

    Args:
        path: File of the index before, whose digest was compared.
        before: That index.
        space: The vectors now: those of its videos first.
        queries: See `built`.
        changed: Positions of its videos that have other vectors now.
        config: How well it must find.
    """
    if space.n_videos - before.plan.built > config.appended * space.n_videos:
        return built(space, queries, config)
    space = space.padded()
    if len(changed) > config.appended * space.n_videos or space.dim != before.lists.dim:
        return built(space, queries, config)
    lists = CodedLists.open(path, digest=None, mapped=False)
    again = np.asarray(changed[changed < before.plan.videos], dtype=np.int64)
    lists.remove(again)
    new = np.arange(before.plan.videos, space.n_videos)
    lists = lists.added(_parts(space, np.concatenate([again, new])))
    unmeasured = before.plan.unmeasured + len(again) + len(new)
    if unmeasured <= FEW * space.n_videos:
        facts = {"videos": space.n_videos, "unmeasured": unmeasured}
        return Listed(lists, lists.list_of(space.n_videos), before.plan.model_copy(update=facts))
    found = _measured(lists, space, queries, config, before=before.plan)
    first = found.plan.levels[0].probes
    once = before.plan.probes
    if first <= WORSE * once and (first or not once):
        return found
    logger.info("an index needs %d lists, it needed %d: made anew", first, once)
    return built(space, queries, config)


def _measured(
    lists: CodedLists,
    space: Space,
    queries: Queries,
    config: RetrievalConfig,
    *,
    before: Plan | None,
) -> Listed:
    list_of = lists.list_of(space.n_videos)
    asked = as_long(queries(), space.dim)
    levels = measured(lists, list_of, space, asked, recall=config.recall)
    return Listed(lists, list_of, plan_of(levels, space.n_videos, before))


def _parts(
    space: Space, videos: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    for start in range(0, len(videos), AT_A_TIME):
        some = np.asarray(videos[start : start + AT_A_TIME], dtype=np.int64)
        yield some, np.ascontiguousarray(space.rows(some), dtype=np.float32)
