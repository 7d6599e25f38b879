"""What another policy would have shown in answers that were given: the input of the estimates.

A recommender is asked again for every answer: at its moment, with the history up to then. Its slate
leaves out what the user had met and what was not open; what else a service leaves out (blocks,
caps, fatigue) is not known here, so that such places do not match, and the mean weight falls.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.data.logged import Logged
from kinoloop.evaluation.evaluate import Rankable
from kinoloop.evaluation.off_policy import Places
from kinoloop.evaluation.ranks import scored_chunks
from kinoloop.evaluation.reward_model import RewardModel
from kinoloop.models.top_k import best_columns

NOTHING = -1
"""A place that a policy leaves empty."""

Closed = Callable[[int], NDArray[np.integer]]


def before(histories: Histories, logged: Logged) -> Histories:
    """Return what was known of its user when each answer was given, a row per answer.

    Args:
        histories: All that is known, rows by pseudonym.
        logged: The answers.
    """
    at = {name: row for row, name in enumerate(histories.user_ids)}
    names = logged.exposures.user_ids
    known = np.array([at.get(name, len(histories)) for name in names], dtype=np.int64)
    unknown = replace(
        histories,
        offsets=np.append(histories.offsets, histories.offsets[-1]),
        user_ids=(*histories.user_ids, ""),
        written=None,
    )
    rows = unknown.rows(known[logged.users])
    return rows.select(rows.timestamps < logged.moments[rows.row_of])


def slates_of(
    recommender: Rankable, logged: Logged, histories: Histories, *, closed: Closed
) -> NDArray[np.int64]:
    """Ask a recommender for each answer.

    Args:
        recommender: Fitted on what came before.
        logged: The answers.
        histories: From `before`.
        closed: Positions that may not be shown at a moment, µs.

    Returns:
        (n_answers, places) positions in its catalogue, best first; `NOTHING` where there are fewer.
    """
    deep = depth(logged)
    slates = np.full((len(logged), deep), NOTHING, dtype=np.int64)
    moments = logged.moments
    for rows, scores in scored_chunks(recommender.score, histories):
        for row, moment in zip(scores, moments[rows].tolist(), strict=True):
            row[closed(moment)] = -np.inf
        top = best_columns(scores, min(deep, scores.shape[1]))
        there = np.isfinite(np.take_along_axis(scores, top, axis=1))
        slates[rows, : top.shape[1]] = np.where(there, top, NOTHING)
    return slates


def depth(logged: Logged) -> int:
    """Places of the longest answer."""
    return int(logged.places.max(initial=-1)) + 1


def under(
    logged: Logged, rewards: NDArray[np.float64], slates: NDArray[np.int64], *, n_videos: int
) -> Places:
    """Put what was shown beside what another policy would have shown.

    Args:
        logged: The answers.
        rewards: (n,) what each place brought.
        slates: (n_answers, places), from `slates_of`.
        n_videos: In the catalogue.
    """
    videos, places = logged.exposures.videos, logged.places
    users = logged.users
    fit = RewardModel.fit(rewards, places, videos, users[logged.answers], n_videos=n_videos)
    other = slates[logged.answers, places]
    of_users = users[logged.answers]
    expected = fit.predict(places, other, of_users)
    return Places(
        logged.answers,
        users,
        places,
        rewards,
        logged.propensities,
        ((other == videos) & (other != NOTHING)).astype(np.float64),
        fit.predict(places, videos, of_users),
        np.where(other == NOTHING, 0.0, expected),
    )


def without_chance(logged: Logged, rewards: NDArray[np.float64]) -> Places:
    """Put what was shown beside the same policy that leaves nothing to chance.

    Which video it would have shown where one was drawn is not on record, so the model of the reward
    knows places alone; the weights have the mean 1 all the same.
    """
    of_users = logged.users[logged.answers]
    unknown = np.full(len(rewards), NOTHING)
    fit = RewardModel.fit(rewards, logged.places, unknown, of_users, n_videos=0)
    mean = fit.predict(logged.places, unknown, of_users)
    kept = (~logged.drawn).astype(np.float64)
    return Places(
        logged.answers, logged.users, logged.places, rewards, logged.propensities, kept, mean, mean
    )
