"""Both sides of a promotion are judged on the catalogue of today, whatever each was trained on."""

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.evaluation.evaluate import Rankable
from kinoloop.release.release import Release


class OnlyCurrent:
    """A scorer that ranks no video which has left the tables.

    A catalogue version keeps such videos as rows, for what they say in histories; no slate shows
    them, and another release may not have them at all.

    Args:
        scorer: A release's recommender.
        ids: Of the videos of today.
    """

    def __init__(self, scorer: Rankable, ids: IdMap) -> None:
        self._scorer = scorer
        self._gone = np.flatnonzero(ids.indices(scorer.catalogue.ids.ids) < 0)

    @property
    def catalogue(self) -> Catalogue:
        """Of the scorer."""
        return self._scorer.catalogue

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Scores, (n_rows, n_videos) float32; -inf where a video is of yesterday."""
        scores = self._scorer.score(histories)
        scores[:, self._gone] = -np.inf
        return scores


def trained_ids(release: Release) -> IdMap:
    """Videos that a release was trained on, which its catalogue version begins with."""
    version = release.info.catalogue
    ids = release.catalogue.ids
    return ids if version is None else IdMap(ids.ids[: version.trained])


def missing_note(role: str, release: Release, ids: IdMap) -> list[str]:
    """Say how many videos of today a release lacks: its catalogue could not be brought there."""
    missing = int((release.catalogue.ids.indices(ids.ids) < 0).sum())
    if not missing:
        return []
    return [
        f"The {role} does not know {missing} of {len(ids)} videos, which count as missed: its "
        "catalogue could not be published anew."
    ]
