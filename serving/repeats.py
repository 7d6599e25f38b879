"""Which texts of one user need not be kept: repeats, and what is too old to count.

Without a bound a client that searches in a loop would fill the live state; with a plain one, its
repeats would push out the one other search that should count. So texts are counted by what they
say. Of one that was repeated the newest are kept, because an undo may name any of them.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from kinoloop.ranking.written import NEWEST

DIFFERENT = 2 * NEWEST
"""Texts kept of a user: twice as many as are read, since some may be taken back."""
REPEATS = NEWEST
"""Of one text, as told by clients; of those that only `/search` told, the newest one."""
MOST = DIFFERENT * (REPEATS + 1)
"""Rows kept of a user at most."""

T = TypeVar("T")


def surplus(
    texts: Iterable[T],
    repeats: Callable[[T, T], bool],
    *,
    ours: Callable[[T], bool] = lambda _: False,
) -> list[T]:
    """Return what need not be kept of the texts of one user.

    Args:
        texts: Newest first.
        repeats: Whether the first says what the second, a newer one, said.
        ours: Whether no client knows of it, so that no undo can name it.
    """
    groups: list[list[T]] = []
    left_out: list[T] = []
    for text in texts:
        group = next((group for group in groups if repeats(text, group[0])), None)
        if group is None and len(groups) < DIFFERENT:
            groups.append([text])
        elif group is not None and _has_room(group, ours, mine=ours(text)):
            group.append(text)
        else:
            left_out.append(text)
    return left_out


def _has_room(group: list[T], ours: Callable[[T], bool], *, mine: bool) -> bool:
    same = sum(ours(other) == mine for other in group)
    return same < (1 if mine else REPEATS)
