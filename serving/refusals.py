"""Which videos somebody who is not interested in a creator or a label sees no more."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
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
        self._labels = _by_name(_names(*one) for one in about)

    def of(self, refused: Iterable[Said]) -> NDArray[np.int32]:
        """Videos that must not appear, (n,) int32; some may be there twice."""
        found = [NONE]
        for one in refused:
            if one.creator_id:
                found.append(self._creators.get(_folded(one.creator_id), NONE))
            if one.label:
                found.append(self._labels.get(_folded(one.label), NONE))
        return np.concatenate(found)


def _by_name(names: Iterable[Iterable[str]]) -> dict[str, NDArray[np.int32]]:
    videos: dict[str, list[int]] = {}
    for video, mine in enumerate(names):
        for name in {_folded(one) for one in mine}:
            videos.setdefault(name, []).append(video)
    return {name: np.array(found, dtype=np.int32) for name, found in videos.items()}


def _names(
    labels: list[dict[str, str]] | None, category: str | None, tags: list[str] | None
) -> list[str]:
    """Return what a video is about: each label plain and with its facet."""
    found = [category] if category else []
    found += tags or []
    for one in labels or []:
        found += [one["label"], f"{one['facet']}:{one['label']}"]
    return found


def _folded(name: str) -> str:
    return name.strip().casefold()
