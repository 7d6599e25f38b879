"""External ids (str) and internal indices (int) are different types that cross in one place."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.ties import name_keys


class IdMap:
    """Ordered unique external ids and their positions.

    Args:
        ids: Unique external ids; the position is the internal index.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids: tuple[str, ...] = tuple(ids)
        self._index = {external: index for index, external in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, external: str) -> bool:
        return external in self._index

    def index(self, external: str) -> int:
        """Internal index of an external id; -1 where it is unknown."""
        return self._index.get(external, -1)

    def indices(self, externals: Iterable[str]) -> NDArray[np.int32]:
        """Internal indices, (n,) int32; -1 where an id is unknown."""
        return np.fromiter(map(self._index.get, externals, repeat(-1)), dtype=np.int32)

    @cached_property
    def keys(self) -> NDArray[np.uint64]:
        """(n,) what breaks ties between videos, see `kinoloop.data.ties`."""
        return name_keys(self.ids)

    def externals(self, indices: Sequence[int] | NDArray[np.integer]) -> list[str]:
        """External ids at the given indices."""
        return [self.ids[int(index)] for index in indices]
