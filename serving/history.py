"""The history that a request counts: what the release knows, and what happened since.

Live events weigh exactly as in training (`kinoloop.data.interest`): many events with one video
become one interaction, the strongest signal counts, the last explicit word wins. A test holds the
two together. Of the release and the live state, the live state wins where both know a video.

Two things are asked of a history, and only one has a bound. What a recommender reads is a window:
the newest videos. What must not come again is everything that was ever met, however long ago.
"""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.interest import EXPLICIT, InterestConfig
from kinoloop.data.ties import oldest_first
from kinoloop.schema import EVENT_KINDS
from serving.state import LiveEvent, LiveState

if TYPE_CHECKING:
    from serving.in_service import InService

_KIND = {kind: code for code, kind in enumerate(EVENT_KINDS)}
_VIEW = _KIND["view"]


class Past(NamedTuple):
    """What a user did.

    Attributes:
        history: The newest videos, oldest first.
        seen: (n,) int32, every video that was ever met; some may be there twice.
    """

    history: list[Interaction]
    seen: NDArray[np.int32]


def past_of(
    user: str, current: "InService", state: LiveState, config: InterestConfig, *, limit: int
) -> Past:
    """What is known of a user.

    Args:
        user: Pseudonym.
        current: The release in service.
        state: Live events.
        config: How they weigh.
        limit: Newest videos that a recommender reads.

    Returns:
        The window, and all that was met.
    """
    release = current.release
    ids, stored = release.catalogue.ids, release.history_of(user)
    events = state.events_of(user, at_most=limit)
    if events is None:  # then what is older than the window is read for its videos only
        since = state.videos_of(user)
        met, firsts = ids.indices(since), np.fromiter(since.values(), dtype=np.int64)
        met, firsts = met[met >= 0], firsts[met >= 0]
        newest = met[oldest_first(user, ids.keys[met], firsts)[-limit:]]
        events = state.events_with(user, ids.externals(newest))
    else:
        met = ids.indices(event.video_id for event in events)
        met = met[met >= 0]
    if not len(met):
        return Past(stored[-limit:], release.seen_by(user))
    config = config.on_scale(release.info.rating_liked_from)
    fresh = live(events, ids, current.durations, config)
    both = merged(stored, fresh, user=user, ids=ids)[-limit:]
    return Past(both, np.concatenate([release.seen_by(user), met]))


def told(video_ids: Iterable[str], ids: IdMap) -> Past:
    """The history that a request brings along, as full views; unknown ids are left out."""
    known = [index for index in map(ids.index, video_ids) if index >= 0]
    now = round(time.time() * 1e6)
    history = [
        Interaction(index, 1.0, now - 1_000_000 * (len(known) - position), _VIEW)
        for position, index in enumerate(known)
    ]
    return Past(history, np.array(known, dtype=np.int32))


def live(
    events: Sequence[LiveEvent],
    ids: IdMap,
    durations: NDArray[np.float64],
    config: InterestConfig,
) -> list[Interaction]:
    """What live events say, one interaction a video.

    Args:
        events: Of one user; impressions and searches are none.
        ids: Of the release; events of other videos are left out.
        durations: (n_videos,) seconds, NaN where unknown.
        config: How events weigh.

    Returns:
        In no order.
    """
    config = config.on_scale(None)
    by_video: dict[int, list[LiveEvent]] = {}
    for event in events:
        index = ids.index(event.video_id)
        if index >= 0:
            by_video.setdefault(index, []).append(event)
    return [
        _one(index, of_video, float(durations[index]), config)
        for index, of_video in by_video.items()
    ]


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


def _one(
    index: int, events: Sequence[LiveEvent], duration_s: float, config: InterestConfig
) -> Interaction:
    """One video's events as one interaction."""
    shares = [_share(event, duration_s) for event in events]
    signals = [_signal(event, share, config) for event, share in zip(events, shares, strict=True)]
    words = [
        (event.timestamp, signal > 0)
        for event, signal in zip(events, signals, strict=True)
        if event.event in EXPLICIT
    ]
    unloved = bool(words) and not max(words)[1]
    kinds = [
        (round(abs(signal) * 1000), _KIND[event.event])
        for event, signal in zip(events, signals, strict=True)
    ]
    known_shares = [share for share in shares if share is not None]
    return Interaction(
        video=index,
        weight=min(signals) if unloved or max(signals) <= 0 else max(signals),
        timestamp=min(event.timestamp for event in events),
        kind=max(kinds)[1],
        watch_share=max(known_shares) if known_shares else float("nan"),
    )


def _share(event: LiveEvent, duration_s: float) -> float | None:
    if event.watch_s is None or not duration_s > 0:
        return None
    return min(event.watch_s / duration_s, 1.0)


def _signal(event: LiveEvent, share: float | None, config: InterestConfig) -> float:
    """Interest that one event shows; > 0 liked, < 0 disliked."""
    if event.event == "view":
        if share is not None and share < config.min_watch_share:
            return config.skip
        return config.view * (0.5 + 0.5 * (1.0 if share is None else share))
    if event.event == "rating":
        threshold = config.rating_liked_from
        assert threshold is not None, "the scale is filled in by `on_scale`"
        below = event.value is not None and event.value < threshold
        return config.dislike if below else config.rating
    return float(getattr(config, event.event))
