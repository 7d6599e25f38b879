"""The best videos of an answer: by retrieval, by the ranker where there is one, by the rules."""

import math
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.scores import Scored, more_than
from kinoloop.models.top_k import best
from kinoloop.policy import policy
from kinoloop.policy.filters import VideoFilters
from kinoloop.release.availability import now
from kinoloop.release.given import Given
from kinoloop.release.reranking import Best, Reranking


def outside(
    filters: VideoFilters, closed: NDArray[np.integer], given: Given
) -> NDArray[np.integer]:
    """Positions that must not be in an answer: closed at its moment, or filtered out.

    Raises:
        ConfigError: There is no such column, or a range ends nowhere.
    """
    if not given.filters and not given.allowed:
        return closed
    allowed = filters.outside_of_all(given.allowed)
    return np.concatenate([closed, filters.outside(given.filters), allowed])


def ruled_out(
    given: Given,
    history: Histories,
    scores: Scored,
    without: tuple[NDArray[np.integer], NDArray[np.integer]],
    *,
    top_k: int,
) -> NDArray[np.integer]:
    """Return what must not be in a slate, with what the rules leave out, positions.

    Args:
        given: Of the request.
        history: One row.
        scores: (n_videos,) of retrieval, nothing hidden yet.
        without: Positions that may not be shown to anybody now, and all that must not be there.
        top_k: How many videos are asked for.
    """
    closed, all_of_it = without
    if given.ruling is None:
        return all_of_it
    moment = now(given.moment)
    left = given.ruling.begin(history, scores, closed=closed, moment=moment, top_k=top_k)
    return np.concatenate([all_of_it, left])


def best_of(
    reranking: Reranking | None,
    history: Histories,
    scores: Scored,
    top_k: int,
    *,
    given: Given,
    deadline: float = math.inf,
) -> Best:
    """Return the best videos, or what the rules make of them.

    Args:
        reranking: None without a ranker.
        history: One row.
        scores: (n_videos,) of retrieval; −inf hides a video.
        top_k: How many at most.
        given: Of the request.
        deadline: When the answer is due, by `time.perf_counter`.
    """
    ruling = given.ruling
    if reranking is None:
        top = best(scores, top_k if ruling is None else ruling.candidates(top_k))
        found = Best(top, scores[top])
    else:
        left_ms = 1e3 * (deadline - time.perf_counter())
        whole = ruling is not None
        found = reranking.best(history, scores, top_k, given=given, left_ms=left_ms, whole=whole)
    if ruling is None:
        return replace(found, more=more_than(scores, len(found.videos)))
    slate = ruling.arrange(policy.Best(found.videos, found.scores), scores)
    return Best(slate.videos, slate.scores, found.reranked, more=ruling.more)
