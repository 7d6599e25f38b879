"""The catalogue of a bundle."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import polars as pl

from kinoloop.data.catalogue import Catalogue, Modality, unusable
from kinoloop.data.ids import IdMap
from kinoloop.data.joint import FILE, JOINT, Joint
from kinoloop.errors import BundleError
from kinoloop.release.files import open_array
from kinoloop.release.info import BundleInfo


def open_catalogue(directory: Path, info: BundleInfo) -> Catalogue:
    """Open it; vectors stay memory-mapped.

    Raises:
        BundleError: Its parts disagree on the number of videos.
    """
    videos = pl.read_parquet(directory / "videos.parquet")
    vectors = directory / "vectors"
    modalities = {
        name: Modality(
            vectors=open_array(vectors / f"{name}.npy"),
            present=open_array(vectors / f"{name}.present.npy"),
            fingerprint=fingerprint,
            centred=(
                open_array(vectors / f"{name}.mean.npy"),
                open_array(vectors / f"{name}.scales.npy"),
            ),
        )
        for name, fingerprint in info.fingerprints.items()
    }
    published_at = open_array(directory / "published_at.npy")
    sizes = {
        len(videos),
        len(published_at),
        info.videos,
        *(len(m.vectors) for m in modalities.values()),
    }
    if len(sizes) > 1:
        raise BundleError(f"{directory}: parts disagree on the number of videos: {sorted(sizes)}")
    for name, modality in modalities.items():
        _check_vectors(vectors / f"{name}.npy", modality)
    return Catalogue(IdMap(videos["video_id"]), published_at, videos, modalities)


def open_joint(directory: Path, info: BundleInfo) -> Joint | None:
    """Read what makes the joint vectors of the videos; None where they have none.

    Raises:
        BundleError: It is missing, damaged, or makes other vectors.
    """
    made = info.fingerprints.get(JOINT)
    return None if made is None else Joint.load(directory / FILE, fingerprint=made)


def _check_vectors(path: Path, modality: Modality) -> None:
    """Refuse vectors that compare with nothing: zero, not finite, or no rows of a matrix."""
    vectors, present = modality.vectors, modality.present
    if vectors.ndim != 2 or not vectors.shape[1] or present.shape != (len(vectors),):
        raise BundleError(
            f"{path}: expected a matrix with one row and one mark per video, got shapes "
            f"{vectors.shape} and {present.shape}; extract and retrain"
        )
    wrong = unusable(vectors, present)
    if len(wrong):
        raise BundleError(
            f"{path}: {len(wrong)} vectors that should be there are zero or not finite, the first "
            f"in row {wrong[0]}; extract and retrain"
        )


def column(catalogue: Catalogue, name: str) -> list[Any] | None:
    """Return a column of the videos; None where the bundle has none."""
    return catalogue.videos[name].to_list() if name in catalogue.videos.columns else None


class Titles(Sequence[str]):
    """Title of each video, read when it is asked for; the id where there is none.

    Args:
        catalogue: The videos.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._ids = catalogue.ids
        self._known = catalogue.videos.get_column("title", default=None)

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> list[str]: ...

    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        known = None if self._known is None else self._known[at]
        return known or self._ids[at]
