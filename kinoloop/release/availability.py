"""May a video be shown? The one rule: not before its time, not after it, not while it is hidden.

A video is closed before `published_at` and `available_from`, from `available_until` on, while
`hidden` is true, while it is withheld for harm (`kinoloop.data.moderation`), and for good once it
was withdrawn from the catalogue. What operators say of a
video while a release serves (`overrule`) takes the place of what its row says.

It is open or closed as of a moment, and every answer asks anew: a binary search in two sorted
lists, and nothing to do where no video ever opens or closes.
"""

import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.moderation import WITHHELD

NEVER = np.iinfo(np.int64).max


class Window(NamedTuple):
    """When a video may be shown, µs since the epoch; never where `hidden`.

    Attributes:
        opens: First moment.
        closes: First moment after it.
        hidden: Not at all.
    """

    opens: int = 0
    closes: int = NEVER
    hidden: bool = False


def now(moment: int | None = None) -> int:
    """`moment`, or the present, µs since the epoch."""
    return time.time_ns() // 1000 if moment is None else moment


class Availability:
    """Finds what may not be shown at a moment.

    Args:
        catalogue: The videos; the columns `available_from`, `available_until`, `hidden` and
            `withdrawn` count where they are there.

    Attributes:
        overruled: Windows that count in place of the rows, by video; replaced, never changed.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        videos = catalogue.videos
        published = np.asarray(catalogue.published_at)
        self._published = published
        self._opens = np.maximum(published, _times(videos, "available_from", 0))
        self._closes = _times(videos, "available_until", NEVER)
        self._shut = (
            _flags(videos, "hidden") | _flags(videos, "withdrawn") | _flags(videos, WITHHELD)
        )
        self._withdrawn = _flags(videos, "withdrawn") | _flags(videos, WITHHELD)
        self._said = (self._opens, self._closes, self._shut)  # by the rows alone
        self.overruled: Mapping[int, Window] = {}
        self._told = 0  # times that it was overruled
        self._sort()

    def closed(self, moment: int) -> NDArray[np.intp]:
        """Positions of the videos that may not be shown at `moment`, µs since the epoch.

        Examples:
            >>> from kinoloop.data.ids import IdMap
            >>> videos = pl.DataFrame({"video_id": ["a", "b", "c"]})
            >>> catalogue = Catalogue(IdMap("abc"), np.array([30, 0, 10]), videos)
            >>> Availability(catalogue).closed(10)
            array([0])
        """
        order_opens, opens, order_closes, closes, shut = self._sorted
        ahead = order_opens[np.searchsorted(opens, moment, side="right") :]
        over = order_closes[: np.searchsorted(closes, moment, side="right")]
        return np.concatenate([ahead, over, shut]) if len(over) or len(shut) else ahead

    def turn(self, moment: int) -> tuple[int, int, int]:
        """Return what is another one as soon as `closed` gives another answer."""
        _, opens, _, closes, _ = self._sorted
        return (
            self._told,
            int(np.searchsorted(opens, moment, side="right")),
            int(np.searchsorted(closes, moment, side="right")),
        )

    def is_open(self, video: int, moment: int) -> bool:
        """Whether one video may be shown at `moment`."""
        in_time = self._opens[video] <= moment < self._closes[video]
        return bool(in_time and not self._shut[video])

    def said(self, video: int) -> Window:
        """When one video may be shown by its row alone."""
        opens, closes, shut = self._said
        return Window(int(opens[video]), int(closes[video]), bool(shut[video]))

    def agrees(self, video: int, window: Window) -> bool:
        """Whether the row of a video says what a window says; hidden is hidden, whenever."""
        own = self.said(video)
        if window.hidden or own.hidden:
            return window.hidden and own.hidden
        opens = max(window.opens, int(self._published[video]))
        return (own.opens, own.closes) == (opens, window.closes)

    def overrule(self, windows: Mapping[int, Window]) -> None:
        """Let other windows count for some videos; those of an earlier call count no longer.

        An embargo holds whatever is said, and what was withdrawn stays so.
        """
        opens, closes, shut = self._said
        self._opens, self._closes, self._shut = opens.copy(), closes.copy(), shut.copy()
        for video, window in windows.items():
            self._opens[video] = max(window.opens, int(self._published[video]))
            self._closes[video] = window.closes
            self._shut[video] = window.hidden or bool(self._withdrawn[video])
        self._sort()
        self._told += 1
        self.overruled = dict(windows)

    def _sort(self) -> None:
        opens = np.argsort(self._opens, kind="stable")
        closing = np.flatnonzero(self._closes < NEVER)
        closes = closing[np.argsort(self._closes[closing], kind="stable")]
        self._sorted = (  # replaced at once: other threads ask meanwhile
            opens,
            self._opens[opens],
            closes,
            self._closes[closes],
            np.flatnonzero(self._shut),
        )


def _times(videos: pl.DataFrame, column: str, missing: int) -> NDArray[np.int64]:
    """Return a column of times in µs; `missing` where there is none."""
    if column not in videos.columns:
        return np.full(len(videos), missing, dtype=np.int64)
    return videos[column].cast(pl.Int64).fill_null(missing).to_numpy().astype(np.int64)


def _flags(videos: pl.DataFrame, column: str) -> NDArray[np.bool_]:
    if column not in videos.columns:
        return np.zeros(len(videos), dtype=np.bool_)
    return videos[column].fill_null(value=False).to_numpy().astype(np.bool_)
