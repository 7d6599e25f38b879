"""Whom a slate is asked for: users by their ids, or histories as lists of video ids."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.situations import COLUMNS, Situation, situation_of
from kinoloop.errors import ConfigError, DataError
from kinoloop.library.expected import id_of
from kinoloop.library.known_users import KnownUsers

SECOND_US = 1_000_000


@dataclass(frozen=True)
class Asked:
    """One row per slate.

    Attributes:
        names: What the answer calls each row.
        histories: What a recommender reads.
        seen: Every video that was met, per row.
    """

    names: Sequence[str]
    histories: Histories
    seen: Sequence[NDArray[np.integer]]

    @classmethod
    def of(cls, users: Any, known: KnownUsers, ids: IdMap) -> "Asked":  # noqa: ANN401 (see below)
        """Understand what was asked.

        Args:
            users: One user id, several, histories (lists of video ids, oldest first), or histories
                by name.
            known: Whom the model knows.
            ids: Of the catalogue.

        Raises:
            DataError: A user or a video is unknown, or it is neither ids nor histories.
        """
        if isinstance(users, Mapping):
            return _from_lists(_distinct(users), list(users.values()), ids)
        listed = [users] if isinstance(users, str | int) else _list(users)
        if listed and all(
            isinstance(one, str | int) and not isinstance(one, bool) for one in listed
        ):
            names = [str(one) for one in listed]
            return cls(names, known.histories(names), known.seen(names))
        return _from_lists([str(row) for row in range(len(listed))], listed, ids)


def situation_asked(situation: Any) -> Situation:  # noqa: ANN401 (anything)
    """Understand in which situation a slate is asked for.

    Raises:
        ConfigError: It is no map of surface, device and context.
    """
    given = dict(situation) if isinstance(situation, Mapping) else {"": situation}
    context = given.get("context") or {}
    surface, device = given.get("surface"), given.get("device")
    plain = isinstance(context, Mapping) and all(
        isinstance(value, str | bool | int | float) for value in context.values()
    )
    places = isinstance(surface, str | None) and isinstance(device, str | None)
    if not (set(given) <= set(COLUMNS) and plain and places):
        raise ConfigError(
            f"got the situation {situation!r}, expected a map such as {{'surface': 'home', "
            "'device': 'tv', 'context': {'network': 'wifi'}}, of texts and plain values"
        )
    return situation_of(surface, device, context)


def _list(users: Any) -> list[Any]:  # noqa: ANN401 (anything)
    if hasattr(users, "columns"):
        raise DataError(
            f"got {type(users).__module__}.{type(users).__qualname__}, expected user ids; name its "
            "column of ids, such as frame['user_id']"
        )
    if isinstance(users, np.generic) or (isinstance(users, np.ndarray) and not users.ndim):
        users = [users.item()]
    if isinstance(users, bytes) or not isinstance(users, Iterable):
        raise DataError(f"got {users!r}, expected user ids, or histories as lists of video ids")
    return [one.item() if isinstance(one, np.generic) else one for one in users]


def _distinct(users: Mapping[Any, Any]) -> list[str]:
    """Names as text; two that are one as text would be one in the answer."""
    names = [str(name) for name in users]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"two histories are called {twice!r}; rename one")
    return names


def _from_lists(names: list[str], histories: list[Any], ids: IdMap) -> Asked:
    """Histories as full views a second apart, as the service takes them; of twice the last."""
    rows, now = [], time.time_ns() // 1000
    for name, history in zip(names, histories, strict=True):
        if isinstance(history, str | bytes | int) or not isinstance(history, Iterable):
            raise DataError(
                f"{name}: got {history!r}, expected a list of video ids; user ids are text or "
                "whole numbers, and are not asked for together with histories"
            )
        newest_first = dict.fromkeys(reversed([id_of(video) for video in history]))
        videos = ids.require(newest_first)[::-1].tolist()
        first = now - SECOND_US * len(videos)
        rows.append(
            [Interaction(v, timestamp=first + SECOND_US * at) for at, v in enumerate(videos)]
        )
    seen = [np.array([event.video for event in row], dtype=np.int32) for row in rows]
    return Asked(names, Histories.from_rows(rows), seen)
