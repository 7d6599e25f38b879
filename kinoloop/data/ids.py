"""External ids (str) and internal indices (int) are different types that cross in one place."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cached_property
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.ties import name_keys
from kinoloop.errors import DataError

BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\u200e\u200f\u2060\ufeff"
"""Spaces, those without width too, that are no part of an id where they stand around it."""

LOOKED_AT = 10_000
"""Ids that are compared with one that is unknown: a message need not take seconds."""


class IdMap:
    """Ordered unique external ids and their positions.

    Args:
        ids: Unique external ids; the position is the internal index.

    Raises:
        DataError: An id is there twice.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids: tuple[str, ...] = tuple(ids)
        if len(self._index) < len(self.ids):
            twice = next(e for i, e in enumerate(self.ids) if self._index[e] != i)
            raise DataError(f"the id {twice!r} occurs twice; ids must be unique")

    @cached_property
    def _index(self) -> dict[str, int]:
        return {external: index for index, external in enumerate(self.ids)}

    def first(self, n: int) -> "IdMap":
        """Only the first ids; nothing is computed of them before it is asked for."""
        ids = IdMap.__new__(IdMap)
        ids.ids = self.ids[:n]
        return ids

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, external: str) -> bool:
        return external in self._index

    def index(self, external: str) -> int:
        """Return the internal index of an external id; -1 where it is unknown."""
        return self._index.get(external, -1)

    def indices(self, externals: Iterable[str]) -> NDArray[np.int32]:
        """Return internal indices, (n,) int32; -1 where an id is unknown."""
        return np.fromiter(map(self._index.get, externals, repeat(-1)), dtype=np.int32)

    def require(self, externals: Iterable[str], *, noun: str = "video") -> NDArray[np.int32]:
        """Return internal indices, (n,) int32, of ids that must all be known.

        Raises:
            DataError: Names the first id that is unknown, and ids that look like it.
        """
        wanted = list(externals)
        found = self.indices(wanted)
        unknown = np.flatnonzero(found < 0)
        if len(unknown):
            first = wanted[int(unknown[0])]
            near = get_close_matches(first, self.ids[:LOOKED_AT], n=2, cutoff=0.8)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
            raise DataError(
                f"no {noun} is called {first!r}{more} among the {len(self):,} that are known{hint}"
            )
        return found

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """(n,) what breaks ties between videos, see `kinoloop.data.ties`."""
        return name_keys(self.ids)

    def externals(self, indices: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """External ids at the given indices."""
        return [self.ids[int(index)] for index in indices]
