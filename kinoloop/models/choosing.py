"""Choose settings on the validation window, inside a fit: line searches over small grids.

A search climbs from the default along the grid, both ways, looks one value past a descent, and
takes what it found only where it is ahead of the default by more than the standard error of the
difference, row by row: on a small window the default stays. Nothing but the training window is
counted and nothing but the validation window is looked at.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.data.sampling import evenly_spaced
from kinoloop.models.prior import popularity_prior
from kinoloop.models.validation import Validation

if TYPE_CHECKING:
    from kinoloop.models.base import Recommender

logger = logging.getLogger(__name__)

Rows = NDArray[np.float64]  # NDCG@10 of each row of the window
K = 10
ENOUGH_NEW = 20  # users without a history, for the half-life to be theirs
MOST_ROWS, MOST_SCORES = 3_000, 150_000_000  # of the window, and rows × videos, in one trial


def climb(
    rows_at: Callable[[float], Rows], grid: Sequence[float], default: float, *, look: int = 2
) -> float:
    """Find the best value of a grid, near the default.

    Args:
        rows_at: The measure of each row at a value.
        grid: Values to try, beside the default.
        default: Where the search begins, and what stays where nothing is surely better.
        look: Values without a gain in a row that end the search in a direction.

    Examples:
        >>> climb(lambda value: np.array([-((value - 3) ** 2)] * 4), (1, 2, 3, 4, 5), default=1)
        3
    """
    values, found = sorted({*grid, default}), dict[int, Rows]()

    def mean(at: int) -> float:
        if at not in found:
            found[at] = rows_at(values[at])
        return float(found[at].mean()) if len(found[at]) else 0.0

    start = best = values.index(default)
    for step in (1, -1):
        at, top, missed = start + step, start, 0
        while 0 <= at < len(values) and missed < look:
            better = mean(at) > mean(top)
            top, missed = (at, 0) if better else (top, missed + 1)
            at += step
        best = top if mean(top) > mean(best) else best
    if best == start:
        return default
    gain = found[best] - found[start]
    return values[best] if gain.mean() > gain.std() / np.sqrt(len(gain)) else default


def choose(
    recommender: "Recommender",
    name: str,
    validation: Validation | None,
    prepare: Callable[[], None] = lambda: None,
    *,
    grid: Sequence[float] | None = None,
    look: int = 2,
) -> None:
    """Choose one setting of a recommender that can already score, where it was left open.

    Args:
        recommender: `recommender.config` gets the best value.
        name: Of the setting.
        validation: None chooses nothing.
        prepare: Makes what is scored with follow the setting.
        grid: The values; those of the config where None.
        look: As in `climb`.
    """
    config = recommender.config
    if validation is None or name not in config.left_open:
        return
    default = getattr(config, name)
    most = max(1, min(MOST_ROWS, MOST_SCORES // max(1, len(recommender.catalogue))))

    def rows_at(value: float) -> Rows:
        recommender._take_over(**{name: value})
        prepare()
        return validation.ndcgs(recommender.score, k=K, max_rows=most)

    value = climb(rows_at, config.grids[name] if grid is None else grid, default, look=look)
    recommender._take_over(**{name: value})
    prepare()
    logger.info("%s: %s = %g, the best on validation", config.kind, name, value)


def best_half_life(
    recommender: "Recommender", histories: Histories, validation: Validation
) -> float:
    """Return the half-life, days, at which popularity alone finds the most of what came next.

    Of the users without a history, whom it answers alone, where the window has enough of them.
    """
    config, n_videos = recommender.config, len(recommender.catalogue)
    asked = np.arange(len(validation.targets))
    new = np.flatnonzero(validation.histories.lengths == 0)
    if recommender.reads_history and len(new) >= ENOUGH_NEW:
        asked = new
    rows = asked[evenly_spaced(len(asked), MOST_ROWS)]
    known, targets = validation.histories.rows(rows), validation.targets.rows(rows)

    def rows_at(days: float) -> Rows:
        return ndcg_of_one(popularity_prior(histories, n_videos, days), known, targets)

    name = "prior_half_life_days"
    return climb(rows_at, config.grids[name], getattr(config, name))


def ndcg_of_one(scores: NDArray[np.float32], known: Histories, targets: Histories) -> Rows:
    """NDCG@10 by row of the same scores for everybody, known videos excluded; ties count against.

    Says what `Validation.ndcgs` says, without a score per row and video.
    """
    ahead = len(scores) - np.searchsorted(np.sort(scores), scores, side="left")  # itself included
    gain = 1 / np.log2(np.arange(2, K + 2))
    ideal = np.cumsum(gain)[np.minimum(targets.lengths, K) - 1]
    found = np.zeros(len(targets))
    near = ahead[targets.videos] <= K + known.lengths[targets.row_of]
    for row in np.unique(targets.row_of[near]):
        wanted = targets.videos[targets.row(row)]
        seen = np.sort(scores[known.videos[known.row(row)]])
        met = len(seen) - np.searchsorted(seen, scores[wanted], side="left")
        ranks = ahead[wanted] - met
        found[row] = gain[ranks[ranks <= K] - 1].sum()
    return np.asarray(found / ideal)
