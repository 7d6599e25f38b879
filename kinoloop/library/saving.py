"""A fitted recommender as a folder: the release bundle, which the service opens too."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kinoloop import __version__, durable
from kinoloop.errors import BundleError
from kinoloop.library.dataset import Dataset
from kinoloop.models.base import Recommender
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from kinoloop.release.release import Release


def save_fitted(recommender: Recommender, train: Dataset, folder: Path) -> None:
    """Write the bundle of a recommender and what it was fitted with."""
    with _written(folder):
        _save_fitted(recommender, train, folder)


def _save_fitted(recommender: Recommender, train: Dataset, folder: Path) -> None:
    oldest, newest = train.span
    provenance = Provenance(
        name=recommender.config.kind,
        code_version=__version__,
        trained_from=oldest,
        trained_until=newest,
        known_until=newest,
        rating_liked_from=train.interest.rating_liked_from,
    )
    write_bundle(
        folder,
        recommender=recommender,
        catalogue=train.catalogue,
        histories=train.histories,
        provenance=provenance,
    )


def copy_folder(release: Release, folder: Path) -> None:
    """Write a loaded model somewhere else, byte by byte."""
    with _written(folder):
        if folder.exists():
            raise BundleError(f"{folder} exists already; bundles are immutable, choose a new path")
        if folder.resolve().is_relative_to(release.directory.resolve()):
            raise BundleError(f"{folder} lies in the model that it would copy; choose another path")
        release.check()
        with durable.appearing(folder) as fresh:
            shutil.copytree(release.directory, fresh)


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise BundleError(
            f"{folder} cannot be written: {err.strerror or err}; choose another path, or free the "
            "disk"
        ) from err
