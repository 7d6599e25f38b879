"""Videos that show the same: a slate has one of them at most, and none that the user has seen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class NearDuplicates:
    """Hides what would show the same twice; exact, at a cost of the grouped videos only.

    Args:
        groups: Name of the group of each video, None where nothing else shows the same.

    Attributes:
        repeats: How many videos show the same as one before them.
    """

    def __init__(self, groups: Sequence[str | None]) -> None:
        names = {name: i for i, name in enumerate(dict.fromkeys(filter(None, groups)))}
        self._group = np.array([names.get(g, -1) if g else -1 for g in groups], dtype=np.int64)
        members = np.flatnonzero(self._group >= 0)
        self._members = members[np.argsort(self._group[members], kind="stable")]
        self._starts = np.searchsorted(self._group[self._members], np.arange(len(names) + 1))
        self.repeats = len(members) - len(names)

    def of(self, videos: NDArray[np.integer]) -> NDArray[np.intp]:
        """All videos that show what these show, themselves left out where they have none."""
        if not len(self._members) or not len(videos):
            return self._members[:0]
        groups = np.unique(self._group[videos])
        groups = groups[groups >= 0]
        starts, sizes = self._starts[groups], np.diff(self._starts)[groups]
        first = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
        return self._members[first + np.arange(len(first))]

    def different(self, videos: NDArray[np.integer]) -> int:
        """How many are left if those that show the same count as one; positions, each once."""
        groups = self._group[videos]
        grouped = groups[groups >= 0]
        return len(groups) - len(grouped) + len(np.unique(grouped))

    def best_of(
        self, videos: NDArray[np.integer], scores: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        """Whether each is the best, or the first of equals, of those here that show the same.

        Args:
            videos: (n,) positions, each once.
            scores: (n,) float32.
        """
        kept = np.ones(len(videos), dtype=np.bool_)
        if not len(self._members):
            return kept
        group = self._group[videos]
        grouped = np.flatnonzero(group >= 0)
        order = np.lexsort((videos[grouped], -scores[grouped], group[grouped]))
        grouped = grouped[order]
        kept[grouped[1:][np.diff(group[grouped]) == 0]] = False
        return kept

    def keep_best(self, scores: NDArray[np.float32]) -> None:
        """Hide, in place, all but the best of each group; of equals the first stays."""
        if not len(self._members):
            return
        members, starts = self._members, self._starts[:-1]
        values = np.nan_to_num(scores[members], nan=-np.inf)
        highest = np.maximum.reduceat(values, starts)
        at_top = values == np.repeat(highest, np.diff(self._starts))
        # of each group the first place at the top: the next true position from its start
        places = np.where(at_top, np.arange(len(members)), len(members))
        keepers = np.minimum.reduceat(places, starts)
        kept = np.zeros(len(members), dtype=np.bool_)
        kept[keepers] = True
        scores[members[~kept]] = -np.inf
