"""The history that a request counts: what the release knows, and what happened since.

Live events weigh exactly as in training (`kinoloop.data.interest`): many events with one video
become one interaction, the strongest signal counts, the last explicit word wins. A test holds the
two together. Of the release and the live state, the live state wins where both know a video.
"""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.interest import EXPLICIT, NO_INTERACTION, InterestConfig
from kinoloop.schema import EVENT_KINDS
from serving.state import LiveEvent, LiveState

if TYPE_CHECKING:
    from serving.champion import InService

_KIND = {kind: code for code, kind in enumerate(EVENT_KINDS)}
_VIEW = _KIND["view"]


def history_of(
    user: str, current: "InService", state: LiveState, config: InterestConfig, *, limit: int
) -> list[Interaction]:
    """What is known of a user.

    Args:
        user: Pseudonym.
        current: The release in service.
        state: Live events.
        config: How they weigh.
        limit: Newest videos that count.

    Returns:
        Oldest first.
    """
    events = state.events_of(user, limit)
    since = live(events, current.release.catalogue.ids, current.durations, config)
    return merged(current.release.history_of(user), since, limit)


def told(video_ids: Iterable[str], ids: IdMap) -> list[Interaction]:
    """The history that a request brings along, as full views; unknown ids are left out."""
    known = [index for index in map(ids.index, video_ids) if index >= 0]
    now = round(time.time() * 1e6)
    return [
        Interaction(index, 1.0, now - 1_000_000 * (len(known) - position), _VIEW)
        for position, index in enumerate(known)
    ]


def live(
    events: Sequence[LiveEvent],
    ids: IdMap,
    durations: NDArray[np.float64],
    config: InterestConfig,
) -> list[Interaction]:
    """What live events say, one interaction a video.

    Args:
        events: Of one user, oldest first.
        ids: Of the release; events of other videos are left out.
        durations: (n_videos,) seconds, NaN where unknown.
        config: How events weigh.

    Returns:
        Oldest first.
    """
    by_video: dict[int, list[LiveEvent]] = {}
    for event in events:
        index = ids.index(event.video_id)
        if index >= 0 and event.event not in NO_INTERACTION:
            by_video.setdefault(index, []).append(event)
    interactions = [
        _one(index, of_video, float(durations[index]), config)
        for index, of_video in by_video.items()
    ]
    interactions.sort(key=lambda interaction: (interaction.timestamp, interaction.video))
    return interactions


def merged(
    known: Sequence[Interaction], since: Sequence[Interaction], limit: int
) -> list[Interaction]:
    """Both histories in one, oldest first, at most the newest `limit`; `since` wins."""
    if not since:
        return list(known[-limit:])
    newer = {interaction.video for interaction in since}
    both = [interaction for interaction in known if interaction.video not in newer]
    both.extend(since)
    both.sort(key=lambda interaction: interaction.timestamp)
    return both[-limit:]


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
        below = event.value is not None and event.value < config.rating_liked_from
        return config.dislike if below else config.rating
    return float(getattr(config, event.event))
