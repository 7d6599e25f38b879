"""Which videos may be in an answer, one bit each: what an index is searched with."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FEW = 0.03
"""Share of the videos up to which positions are kept beside the bits."""


@dataclass(frozen=True)
class Allowed:
    """A set of videos.

    Attributes:
        bits: (⌈n_videos / 8⌉,) uint8, the lowest bit first; what is beyond the last video is 0.
        n_videos: Of the catalogue.

    Examples:
        >>> some = Allowed.of(np.array([True, False, True, True]))
        >>> some.without(np.array([2])).videos.tolist()
        [0, 3]
    """

    bits: NDArray[np.uint8]
    n_videos: int
    _within: "Allowed | None" = field(default=None, repr=False)

    @classmethod
    def of(cls, marks: NDArray[np.bool_]) -> "Allowed":
        """Those that are marked, (n_videos,) bool."""
        return cls(np.packbits(marks, bitorder="little"), len(marks))

    @cached_property
    def count(self) -> int:
        """How many."""
        return int(np.bitwise_count(self.bits).sum(dtype=np.int64))

    @property
    def videos(self) -> NDArray[np.intp]:
        """Positions, ascending."""
        if self._within is not None and self._within.few is not None:
            return self._within.few[self.has(self._within.few)]
        return self._positions() if self.few is None else self.few

    @cached_property
    def few(self) -> NDArray[np.intp] | None:
        """Positions, kept where they are few; None where not."""
        return self._positions() if self.count <= FEW * self.n_videos else None

    def _positions(self) -> NDArray[np.intp]:
        return np.flatnonzero(np.unpackbits(self.bits, bitorder="little"))

    def has(self, videos: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Whether each of some videos is there, (n,)."""
        bits = self.bits[videos >> 3] >> (videos & 7).astype(np.uint8)
        return np.asarray(bits & 1, dtype=np.bool_)

    def without(self, videos: NDArray[np.integer]) -> "Allowed":
        """All but some; positions may come twice."""
        if not len(videos):
            return self
        bits = self.bits.copy()
        np.bitwise_and.at(bits, videos >> 3, ~(1 << (videos & 7)).astype(np.uint8))
        return Allowed(bits, self.n_videos, self._within or self)
