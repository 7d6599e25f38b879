"""External ids (str) and internal indices (int) are different types that cross in one place."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cached_property
from itertools import repeat

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.ties import name_keys
from kinoloop.errors import DataError

BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\u200e\u200f\u2060\ufeff"
"""Spaces, those without width too, that are no part of an id where they stand around it."""

LOOKED_AT = 10_000
"""Ids that are compared with one that is unknown: a message need not take seconds."""

MANY, FEW = 500_000, 1_000
"""Ids that are not found by a dictionary; and so few that they are looked for one by one."""


class IdMap:
    """Ordered unique external ids and their positions.

    Few ids are found by a dictionary. Of many, that would be 200 bytes each in every worker: they
    stay one column, and are found by their hashes, in 20.

    Args:
        ids: Unique external ids; the position is the internal index.

    Raises:
        DataError: An id is there twice.
    """

    def __init__(self, ids: Iterable[str] | pl.Series) -> None:
        column = ids if isinstance(ids, pl.Series) else pl.Series(tuple(ids), dtype=pl.String)
        self._column = column
        if column.n_unique() < len(column):
            again = column.filter(column.is_duplicated())[0]
            raise DataError(f"the id {again!r} occurs twice; ids must be unique")

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """All of them; of many, ask for those that are needed (`externals`)."""
        return tuple(self._column)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {external: index for index, external in enumerate(self.ids)}

    @cached_property
    def _by_key(self) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
        """Hashes, ascending, and the position of each."""
        order = np.argsort(self.keys, kind="stable").astype(np.int32)
        return self.keys[order], order

    def first(self, n: int) -> "IdMap":
        """Only the first ids; nothing is computed of them before it is asked for."""
        ids = IdMap.__new__(IdMap)
        ids._column = self._column[:n]
        return ids

    def __len__(self) -> int:
        return len(self._column)

    def __contains__(self, external: str) -> bool:
        return self.index(external) >= 0

    def index(self, external: str) -> int:
        """Return the internal index of an external id; -1 where it is unknown."""
        if len(self) < MANY:
            return self._index.get(external, -1)
        keys, order = self._by_key
        key = name_keys([external])[0]
        at = int(np.searchsorted(keys, key))
        while at < len(keys) and keys[at] == key:
            if self._column[int(order[at])] == external:
                return int(order[at])
            at += 1
        return -1

    def indices(self, externals: Iterable[str]) -> NDArray[np.int32]:
        """Return internal indices, (n,) int32; -1 where an id is unknown."""
        if len(self) < MANY:
            return np.fromiter(map(self._index.get, externals, repeat(-1)), dtype=np.int32)
        wanted = pl.Series("id", tuple(externals), dtype=pl.String)
        if len(wanted) < FEW:
            return np.fromiter(map(self.index, wanted), dtype=np.int32)
        known = pl.DataFrame({"id": self._column}).with_row_index("at")
        found = wanted.to_frame().join(known, on="id", how="left", maintain_order="left")["at"]
        return found.cast(pl.Int32).fill_null(-1).to_numpy()

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
            near = get_close_matches(first, self._column[:LOOKED_AT], n=2, cutoff=0.8)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
            raise DataError(
                f"no {noun} is called {first!r}{more} among the {len(self):,} that are known{hint}"
            )
        return found

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """(n,) what breaks ties between videos, see `kinoloop.data.ties`."""
        return name_keys(self._column)

    def externals(self, indices: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """External ids at the given indices."""
        known = self.ids if len(self) < MANY else self
        return [known[int(index)] for index in indices]

    def __getitem__(self, index: int) -> str:
        return self.ids[index] if len(self) < MANY else self._column[index]
