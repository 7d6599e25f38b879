"""Which videos somebody who is not interested in a video, creator or label sees no more."""

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.label_names import folded, names_of
from kinoloop.release.catalogue import column
from serving.sayings import Said

NONE = np.empty(0, dtype=np.int32)


class Refusals:
    """Videos of a catalogue by creator and by label, category and tag.

    Args:
        catalogue: Of the release in service.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._ids = catalogue.ids
        self._creators = _by_name([c] if c else [] for c in column(catalogue, "creator_id") or [])
        labels = column(catalogue, "labels") or [None] * len(catalogue)
        categories = column(catalogue, "category") or [None] * len(catalogue)
        tags = column(catalogue, "tags") or [None] * len(catalogue)
        about = zip(labels, categories, tags, strict=True)
        self._labels = _by_name(names_of(*one) for one in about)

    @property
    def labels(self) -> Collection[str]:
        """What some video is about, by all its names, folded."""
        return self._labels.keys()

    def of(self, refused: Iterable[Said]) -> NDArray[np.int32]:
        """Videos that must not appear, (n,) int32; some may be there twice."""
        found = [NONE]
        for one in refused:
            if one.creator_id:
                found.append(self._creators.get(folded(one.creator_id), NONE))
            if one.label:
                found.append(self._labels.get(folded(one.label), NONE))
            if one.video_id and (video := self._ids.index(one.video_id)) >= 0:
                found.append(np.array([video], dtype=np.int32))
        return np.concatenate(found)


def _by_name(names: Iterable[Iterable[str]]) -> dict[str, NDArray[np.int32]]:
    videos: dict[str, list[int]] = {}
    for video, mine in enumerate(names):
        for name in {folded(one) for one in mine}:
            videos.setdefault(name, []).append(video)
    return {name: np.array(found, dtype=np.int32) for name, found in videos.items()}
