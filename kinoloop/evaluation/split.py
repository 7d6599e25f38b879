"""Splits: what a recommender may learn from, and which next videos it must find.

The temporal split is the honest one: one cut in time for everybody, so that no model knows the
future of anybody. Leave-one-out exists to compare with papers; it leaks the future of other users
and flatters (MovieLens-1M: .25 against .16 for the same model). Targets are videos of interest
(weight > 0) that the row had not met before. Order is the order of the histories, which is stable.
Windows are measured in days on which something happened, so that a silence (a service that was
off, one late event from a phone) does not leave a window empty.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.exposures import Exposures
from kinoloop.data.histories import Histories
from kinoloop.data.sampling import evenly_spaced
from kinoloop.data.situations import Situation
from kinoloop.errors import DataError
from kinoloop.evaluation.metrics.ndcg import ndcg
from kinoloop.evaluation.ranks import rank_targets
from kinoloop.models.validation import Scorer
from kinoloop.schema import DAY_US


@dataclass(frozen=True)
class Holdout:
    """Histories and the videos that came next, row by row.

    Attributes:
        histories: What was known.
        targets: What came next; at least one per row, never one of the row's history.
        situations: By pseudonym, in which situation a slate is asked for; who is not there has said
            nothing.
    """

    histories: Histories
    targets: Histories
    situations: Mapping[str, Situation] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.histories)

    def rows(self, rows: NDArray[np.integer] | slice) -> "Holdout":
        """Keep the given rows."""
        return replace(self, histories=self.histories.rows(rows), targets=self.targets.rows(rows))

    def situated(self, exposures: Exposures) -> "Holdout":
        """Ask for each slate in the situation of the user's first exposure of the window."""
        if not len(self):
            return self
        times = self.targets.timestamps
        found = exposures.first_situations(int(times.min()), int(times.max()))
        return replace(self, situations=found)

    def ndcg(self, score: Scorer, *, k: int = 10, max_rows: int = 5000) -> float:
        """NDCG@k of a scorer on at most `max_rows` evenly spaced rows; 0.0 without rows."""
        found = self.ndcgs(score, k=k, max_rows=max_rows)
        return float(found.mean()) if len(found) else 0.0

    def ndcgs(self, score: Scorer, *, k: int = 10, max_rows: int = 5000) -> NDArray[np.float64]:
        """Return the same row by row."""
        if not len(self):
            return np.zeros(0)
        sample = self.rows(evenly_spaced(len(self), max_rows))
        return ndcg(rank_targets(score, sample.histories, sample.targets), k=k)


@dataclass(frozen=True)
class Split:
    """One dataset, cut in three."""

    train: Histories
    validation: Holdout
    test: Holdout


def temporal_split(histories: Histories, *, validation_days: float, test_days: float) -> Split:
    """Cut at two moments that are the same for everybody.

    With the newest event at T, the test window is (T − test_days, T], the validation window the
    `validation_days` before it, and training all that is older. A time without any event counts
    as one day at most.

    Args:
        histories: All that is known.
        validation_days: Length of the validation window, days.
        test_days: Length of the test window, days.

    Returns:
        Split; users without a target in a window are not in it, users without a history are.

    Raises:
        DataError: A window or the training part is empty.

    Examples:
        >>> from kinoloop.data.histories import Histories, Interaction
        >>> days = [Interaction(video=v, timestamp=v * DAY_US) for v in range(5)]
        >>> split = temporal_split(Histories.from_rows([days]), validation_days=1, test_days=2)
        >>> split.train.videos, split.validation.targets.videos, split.test.targets.videos
        (array([0, 1], dtype=int32), array([2], dtype=int32), array([3, 4], dtype=int32))
    """
    if not len(histories.timestamps):
        raise DataError("nothing to split: the histories are empty; ingest events first")
    times = histories.timestamps
    test_cut, validation_cut = _cuts(times, (test_days, test_days + validation_days))
    split = Split(
        train=_nonempty(histories.select(times <= validation_cut)),
        validation=_window(histories, validation_cut, test_cut),
        test=_window(histories, test_cut, int(times.max())),
    )
    rows = {
        "training": len(split.train),
        "validation": len(split.validation),
        "test": len(split.test),
    }
    for name, count in rows.items():
        if not count:
            taken = f"the windows take {validation_days:g} + {test_days:g}; shorten the windows"
            raise DataError(_empty(name, times, taken))
    return split


def temporal_holdout(histories: Histories, *, days: float) -> tuple[Histories, Holdout]:
    """Cut once, at a moment that is the same for everybody; see `temporal_split`.

    Args:
        histories: All that is known.
        days: Length of the window that is held out, days.

    Returns:
        What is older, and the window.

    Raises:
        DataError: One of them is empty.
    """
    if not len(histories.timestamps):
        raise DataError("nothing to split: the histories are empty; ingest events first")
    times = histories.timestamps
    (cut,) = _cuts(times, (days,))
    train, window = (
        _nonempty(histories.select(times <= cut)),
        _window(histories, cut, int(times.max())),
    )
    for name, count in (("training", len(train)), ("test", len(window))):
        if not count:
            raise DataError(_empty(name, times, f"the window takes {days:g}; shorten the window"))
    return train, window


def _empty(name: str, times: NDArray[np.int64], windows: str) -> str:
    spanned = (times.max() - times.min()) / DAY_US
    return (
        f"temporal split: the {name} part is empty; the histories span {spanned:.1f} days, "
        f"silences included, and {windows}"
    )


def _cuts(times: NDArray[np.int64], days_back: Sequence[float]) -> list[int]:
    """Find the newest moment at least so many days of events before the newest one, in µs."""
    moments = np.unique(times)
    clock = np.concatenate([[0], np.cumsum(np.minimum(np.diff(moments), DAY_US))])
    at = np.searchsorted(clock, clock[-1] - np.asarray(days_back) * DAY_US, side="right") - 1
    return [int(moments[i]) if i >= 0 else int(moments[0]) - 1 for i in at]


def leave_one_out(histories: Histories) -> Split:
    """Hold out the last video of interest for test, the second last for validation.

    A row with fewer than three videos of interest is for training only. Each holdout's history is
    all that came before its target.

    Raises:
        DataError: No row has three videos of interest.

    Examples:
        >>> from kinoloop.data.histories import Histories, Interaction
        >>> row = [Interaction(video=v) for v in (7, 8, 9)]
        >>> split = leave_one_out(Histories.from_rows([row]))
        >>> split.train.videos, split.validation.targets.videos, split.test.targets.videos
        (array([7], dtype=int32), array([8], dtype=int32), array([9], dtype=int32))
    """
    liked = histories.weights > 0
    from_end, total = _from_end(histories, liked)
    enough = total >= 3
    if not enough.any():
        raise DataError(
            "leave-one-out: no user has three videos of interest; bring longer histories"
        )
    rows = np.unique(histories.row_of[enough])

    def holdout(rank: int) -> Holdout:
        return Holdout(
            histories=histories.select(from_end > rank).rows(rows),
            targets=histories.select(liked & (from_end == rank)).rows(rows),
        )

    return Split(histories.select(~enough | (from_end > 2)), holdout(2), holdout(1))


def last_out(histories: Histories) -> tuple[Histories, Holdout]:
    """Hold out the last video of interest of each row that has two; see `leave_one_out`.

    Returns:
        All that is not held out, and the last videos with what came before them.

    Raises:
        DataError: No row has two videos of interest.

    Example:
        >>> from kinoloop.data.histories import Histories, Interaction
        >>> train, last = last_out(Histories.from_rows([[Interaction(v) for v in (7, 8, 9)]]))
        >>> train.videos, last.targets.videos
        (array([7, 8], dtype=int32), array([9], dtype=int32))
    """
    liked = histories.weights > 0
    from_end, total = _from_end(histories, liked)
    enough = total >= 2
    if not enough.any():
        raise DataError("leave-one-out: no user has two videos of interest; bring longer histories")
    rows = np.unique(histories.row_of[enough])
    known = histories.select(from_end > 1).rows(rows)
    targets = histories.select(liked & (from_end == 1)).rows(rows)
    return histories.select(~enough | (from_end > 1)), Holdout(known, targets)


def _from_end(
    histories: Histories, liked: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per event: videos of interest from it to the end of its row, and in all of its row.

    Itself included: 1 is the last video of interest.
    """
    after = np.concatenate([np.cumsum(liked[::-1])[::-1], [0]])
    from_end = after[:-1] - after[histories.offsets[1:]][histories.row_of]
    total = (after[histories.offsets[:-1]] - after[histories.offsets[1:]])[histories.row_of]
    return from_end, total


def _window(histories: Histories, start: int, end: int) -> Holdout:
    """Known up to `start`, targets in (start, end], µs."""
    times = histories.timestamps
    targets = histories.select((times > start) & (times <= end) & (histories.weights > 0))
    rows = np.flatnonzero(targets.lengths > 0)
    return Holdout(histories.until(start).rows(rows), targets.rows(rows))


def _nonempty(histories: Histories) -> Histories:
    return histories.rows(np.flatnonzero(histories.lengths > 0))
