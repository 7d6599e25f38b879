"""Which situations a ranker tells apart: the frequent values of surface, device and context.

It is chosen from what is learned from, and from nothing later; whatever else comes, in the log or
in a request, is unknown, like what was not said. It stands in the bundle beside the ranker.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from kinoloop.data.situations import Situation
from kinoloop.errors import BundleError
from kinoloop.settings import FrozenRecord, first_fault

FILE = "situations.json"
VERSION = 1
UNKNOWN = -1

MIN_SEEN = 20  # exposures in a situation, before a ranker can tell anything of it
MOST_VALUES = 16  # of a column, the most frequent
MOST_COLUMNS = 16  # surface, device and names of the context, the most frequent


class _File(FrozenRecord):
    """What stands in the bundle."""

    version: int = Field(VERSION, ge=1, le=VERSION, description="Of this form.")
    columns: dict[str, tuple[str, ...]] = Field(description="Values by column, in their order.")


@dataclass(frozen=True)
class Vocabulary:
    """Values that are told apart.

    Attributes:
        columns: Values by column, such as `surface` or `context.network`.
    """

    columns: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, facts: Sequence[Situation], rows: NDArray[np.integer]) -> "Vocabulary":
        """Take what is frequent.

        Args:
            facts: Different situations.
            rows: (n,) which of them each exposure was in.

        Examples:
            >>> facts = [{"device": "tv"}, {"device": "phone"}, {"device": "fridge"}]
            >>> Vocabulary.of(facts, np.repeat([0, 1, 2], [30, 40, 3])).columns
            {'device': ('phone', 'tv')}
        """
        times = np.bincount(rows, minlength=len(facts)).tolist()
        seen: dict[str, Counter[str]] = {}
        for situation, count in zip(facts, times, strict=True):
            for column, value in situation.items():
                seen.setdefault(column, Counter())[value] += count
        columns = sorted(seen, key=lambda c: (c.startswith("context."), -seen[c].total(), c))
        kept = {}
        for column in columns[:MOST_COLUMNS]:
            values = sorted(seen[column].items(), key=lambda item: (-item[1], item[0]))
            often = tuple(value for value, count in values[:MOST_VALUES] if count >= MIN_SEEN)
            if often:
                kept[column] = often
        return cls(kept)

    @cached_property
    def names(self) -> list[str]:
        """One per value, such as `device=tv`; no two are alike, whatever a client calls them."""
        return [f"{_marked(c)}={value}" for c, values in self.columns.items() for value in values]

    def codes(self, facts: Sequence[Situation]) -> NDArray[np.int16]:
        """Position of each situation's values, (n, n_columns); `UNKNOWN` where there is none."""
        found = np.full((len(facts), len(self.columns)), UNKNOWN, dtype=np.int16)
        for at, (column, codes) in enumerate(self._codes.items()):
            for row, situation in enumerate(facts):
                found[row, at] = codes.get(situation.get(column, ""), UNKNOWN)
        return found

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        lengths = [len(values) for values in self.columns.values()]
        return np.cumsum([0, *lengths[:-1]])

    @cached_property
    def _codes(self) -> dict[str, dict[str, int]]:
        return {
            column: {value: code for code, value in enumerate(values)}
            for column, values in self.columns.items()
        }

    def one_hot(self, codes: NDArray[np.int16]) -> NDArray[np.float32]:
        """(n, len(names)); a column that is unknown is all zero; `codes` without columns, too."""
        found = np.zeros((len(codes), len(self.names)), dtype=np.float32)
        if codes.shape[1]:
            row, column = np.nonzero(codes != UNKNOWN)
            found[row, self._starts[column] + codes[row, column]] = 1
        return found

    def save(self, directory: Path) -> None:
        """Write it beside the ranker."""
        document = _File(version=VERSION, columns=self.columns).model_dump(mode="json")
        (directory / FILE).write_text(json.dumps(document, indent=2), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> "Vocabulary | None":
        """Read it; None from a ranker of before there was one.

        Raises:
            BundleError: It is none, or of a later form.
        """
        path = directory / FILE
        if not path.exists():
            return None
        try:
            return cls(_File.model_validate_json(path.read_bytes()).columns)
        except ValidationError as err:
            raise BundleError(f"{path} is no vocabulary: {first_fault(err)}") from err


def _marked(column: str) -> str:
    """Mark what could be taken for the sign between a column and its value."""
    return column.replace("\\", "\\\\").replace("=", "\\=")
