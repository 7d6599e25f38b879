"""What a recommender must find: the held-out part of a dataset."""

from dataclasses import dataclass
from typing import ClassVar

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.ids import IdMap
from kinoloop.evaluation.split import Holdout
from kinoloop.evaluation.translate import translate_holdout


@dataclass(frozen=True, repr=False)
class TestSet:
    """Histories and the videos that came next, per user.

    Attributes:
        catalogue: Of the dataset that it was cut from.
        holdout: In the indices of that catalogue.
    """

    __test__: ClassVar[bool] = False  # not a class of pytest

    catalogue: Catalogue
    holdout: Holdout

    def __len__(self) -> int:
        return len(self.holdout)

    def within(self, ids: IdMap) -> Holdout:
        """Return the holdout in the indices of another catalogue."""
        ours = self.catalogue.ids
        if ids is ours or ids.ids == ours.ids:
            return self.holdout
        return translate_holdout(self.holdout, ours, ids)

    def __repr__(self) -> str:
        return f"TestSet({len(self):,} users, {len(self.holdout.targets.videos):,} videos to find)"
