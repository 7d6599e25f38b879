"""The history that a request counts: what the release knows, and what happened since.

Live events weigh as in training, by the one rule of `kinoloop.data.interest`. Of the release and
the live state, the live state wins where both know a video.

Two things are asked of a history, and only one has a bound. What a recommender reads is a window:
the newest videos. What must not come again is everything that was ever seen, however long ago.
"""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.interest import CODES, Events, InterestConfig, of_one_user
from kinoloop.data.ties import oldest_first
from kinoloop.schema import EVENT_KINDS
from serving.live_event import LiveEvent
from serving.sayings import Said, in_force
from serving.state import People

if TYPE_CHECKING:
    from serving.in_service import InService


NONE = np.empty(0, dtype=np.int32)


class Past(NamedTuple):
    """What a user did.

    Attributes:
        history: The newest videos, oldest first.
        seen: (n,) int32, every video that was ever met; some may be there twice.
        blocked: (n,) int32, every video that the user is not interested in; likewise.
    """

    history: list[Interaction]
    seen: NDArray[np.int32]
    blocked: NDArray[np.int32]


def past_of(
    user: str, current: "InService", state: People, config: InterestConfig, *, limit: int
) -> Past:
    """Collect what is known of the person that a user is.

    All ids that are linked to the person count as one, and what was taken back does not count.

    Args:
        user: Pseudonym.
        current: The release in service.
        state: Live events.
        config: How they weigh.
        limit: Newest videos that a recommender reads.

    Returns:
        The window, and all that was met.
    """
    release, users = current.release, state.ids_of(user)
    ids, person = release.catalogue.ids, users[0]
    said = state.said_by(users)
    undone = [one for one in said if one.event == "undo"]
    stored, seen = _stored(current, users, undone, config)
    met, events = [seen], []
    for one in users:
        videos, newest = _since(one, ids, state, undone=undone, limit=limit)
        met.append(videos)
        events += newest
    hidden, blocked = np.concatenate(met), current.refusals.of(in_force(said))
    if not events:
        return Past(stored[-limit:], hidden, blocked)
    config = config.on_scale(release.info.rating_liked_from)
    fresh = live(events, ids, current.durations, config)
    return Past(merged(stored, fresh, user=person, ids=ids)[-limit:], hidden, blocked)


def _stored(
    current: "InService", users: Sequence[str], undone: Sequence[Said], config: InterestConfig
) -> tuple[list[Interaction], NDArray[np.int32]]:
    """Read what the release knows of a person: the history, oldest first, and all that was met."""
    release = current.release
    ids, history = release.catalogue.ids, release.history_of(users[0])
    seen = [release.seen_by(user) for user in users]
    for other in users[1:]:
        theirs = release.history_of(other)
        if theirs:
            history = merged(theirs, history, user=users[0], ids=ids)
    kinds = {(ids.index(one.video_id), one.undoes or ""): one for one in undone if one.video_id}
    if not kinds:
        return history, np.concatenate(seen)
    left, gone = [], set()
    for event in history:
        said = kinds.get((event.video, EVENT_KINDS[event.kind]))
        if said is None or event.timestamp > said.timestamp:
            left.append(event)
        elif event.kind == CODES["view"]:
            gone.add(event.video)  # as if it had never been watched
        elif not np.isnan(event.watch_share):
            left.append(_as_view(event, config))
    met = np.concatenate(seen)
    return left, met[~np.isin(met, list(gone))]


def _as_view(event: Interaction, config: InterestConfig) -> Interaction:
    """Return what is left of an interaction without the word that was taken back."""
    share = event.watch_share
    weight = config.skip if share < config.min_watch_share else config.view * (0.5 + 0.5 * share)
    return event._replace(kind=CODES["view"], weight=weight)


def _since(
    user: str, ids: IdMap, state: People, *, undone: Sequence[Said], limit: int
) -> tuple[NDArray[np.int32], list[LiveEvent]]:
    """Read the live events of one id: videos that were met, and events of the newest of them."""
    events = state.events_of(user, at_most=limit)
    if events is not None:
        events = _standing(events, undone)
        met = ids.indices(event.video_id for event in events)
        return met[met >= 0].astype(np.int32), events
    # then what is older than the window is read for its videos only
    since = state.videos_of(user)
    named = [one.video_id for one in undone if one.video_id in since]
    if named:
        some = {event.video_id for event in _standing(state.events_with(user, named), undone)}
        since = {v: first for v, first in since.items() if v not in named or v in some}
    met, firsts = ids.indices(since), np.fromiter(since.values(), dtype=np.int64)
    met, firsts = met[met >= 0], firsts[met >= 0]
    newest = met[oldest_first(user, ids.keys[met], firsts)[-limit:]]
    events = _standing(state.events_with(user, ids.externals(newest)), undone)
    return met.astype(np.int32), events


def _standing(events: Sequence[LiveEvent], undone: Sequence[Said]) -> list[LiveEvent]:
    """Leave out what was taken back."""
    if not undone:
        return list(events)
    return [
        event
        for event in events
        if not any(
            one.takes_back(event.event_id, event.event, event.video_id, event.timestamp)
            for one in undone
        )
    ]


def blocked_of(user: str, current: "InService", state: People) -> NDArray[np.int32]:
    """Every video that the person that a user is has no interest in, (n,)."""
    return current.refusals.of(in_force(state.said_by(state.ids_of(user))))


def past_of_videos(video_ids: Iterable[str], ids: IdMap, blocked: NDArray[np.int32] = NONE) -> Past:
    """Read the history that a request brings, as full views; unknown ids are left out."""
    known = [index for index in map(ids.index, video_ids) if index >= 0]
    now = round(time.time() * 1e6)
    history = [
        Interaction(index, 1.0, now - 1_000_000 * (len(known) - position), CODES["view"])
        for position, index in enumerate(known)
    ]
    return Past(history, np.array(known, dtype=np.int32), blocked)


def live(
    events: Sequence[LiveEvent],
    ids: IdMap,
    durations: NDArray[np.float64],
    config: InterestConfig,
) -> list[Interaction]:
    """Read what live events say, one interaction per video.

    Args:
        events: Of one user; impressions and searches are none.
        ids: Of the release; events of other videos are left out.
        durations: (n_videos,) seconds, NaN where unknown.
        config: How events weigh.

    Returns:
        In no order.
    """
    videos = ids.indices(event.video_id for event in events)
    known = np.flatnonzero(videos >= 0)
    if not len(known):
        return []
    mine = [events[at] for at in known.tolist()]
    columns = Events(
        kind=np.array([CODES[event.event] for event in mine]),
        timestamp=np.array([event.timestamp for event in mine]),
        watch_s=np.array([event.watch_s for event in mine], dtype=np.float64),  # None becomes NaN
        value=np.array([event.value for event in mine], dtype=np.float64),
        duration_s=durations[videos[known]],
    )
    found, one = of_one_user(videos[known], columns, config.on_scale(None))
    kinds = one.kind.astype(np.int64)
    rows = (found, one.weight, one.timestamp, kinds, one.watch_share)
    return [Interaction(*values) for values in zip(*(row.tolist() for row in rows), strict=True)]


def merged(
    stored: Sequence[Interaction], since: Sequence[Interaction], *, user: str, ids: IdMap
) -> list[Interaction]:
    """Both histories of a user in one, oldest first as in training; `since` wins."""
    newer = {interaction.video for interaction in since}
    both = [interaction for interaction in stored if interaction.video not in newer]
    both.extend(since)
    videos = np.fromiter((one.video for one in both), dtype=np.int32)
    times = np.fromiter((one.timestamp for one in both), dtype=np.int64)
    return [both[at] for at in oldest_first(user, ids.keys[videos], times).tolist()]
