"""What Redis knows of videos: what operators said, and first slates."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kinoloop.release.availability import Window
from serving.redis_people import PREFIX

_SAID: Final = f"{PREFIX}availability"
_VERSION: Final = f"{PREFIX}availability_version"
_FIRST, _FIRST_TIMES = f"{PREFIX}first_slates", f"{PREFIX}first_slate_times"


def availability(redis: Any) -> dict[str, Window]:  # noqa: ANN401 (redis is not followed)
    """Read what operators said, by external id."""
    return {video.decode(): _window(row) for video, row in redis.hgetall(_SAID).items()}


def version(redis: Any) -> int:  # noqa: ANN401 (likewise)
    """Return how often operators said something, or the landing zone caught up."""
    return int(redis.get(_VERSION) or 0)


def say(
    redis: Any,  # noqa: ANN401 (likewise)
    video_id: str,
    change: Callable[[Window | None], Window],
    *,
    at: int,
) -> Window:
    """Change what is said of a video, once more where somebody else was faster."""

    def changed(pipeline: Any) -> Window:  # noqa: ANN401 (likewise)
        row = pipeline.hget(_SAID, video_id)
        window = change(None if row is None else _window(row))
        pipeline.multi()
        pipeline.hset(_SAID, video_id, json.dumps([*window, at]))
        pipeline.incr(_VERSION)
        return window

    window: Window = redis.transaction(changed, _SAID, value_from_callable=True)
    return window


def settle(redis: Any, agreed: Mapping[str, Window]) -> None:  # noqa: ANN401 (likewise)
    """Drop what was said, where it is still this."""

    def dropped(pipeline: Any) -> None:  # noqa: ANN401 (likewise)
        rows = pipeline.hmget(_SAID, list(agreed))
        held = zip(agreed.items(), rows, strict=True)
        gone = [video for (video, window), row in held if row and _window(row) == window]
        pipeline.multi()
        if gone:
            pipeline.hdel(_SAID, *gone)
            pipeline.incr(_VERSION)

    redis.transaction(dropped, _SAID)


def first_slate(redis: Any, video_id: str, at: int, seconds: float) -> bool:  # noqa: ANN401
    """Note when a video was first shown; whether it is new."""
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.hsetnx(_FIRST, video_id, seconds)
        pipeline.zadd(_FIRST_TIMES, {video_id: at}, nx=True)
        new, _ = pipeline.execute()
    return bool(new)


def newest_first_slates(redis: Any, at_most: int) -> list[float]:  # noqa: ANN401 (likewise)
    """Seconds from landing to first slate of the newest uploads, newest first."""
    videos: Sequence[bytes] = redis.zrevrange(_FIRST_TIMES, 0, at_most - 1)
    return [float(seconds) for seconds in redis.hmget(_FIRST, videos)] if videos else []


def _window(row: bytes) -> Window:
    opens, closes, hidden, _ = json.loads(row)
    return Window(opens, closes, hidden)
