"""Public data sets by name, read by the importers of `kinoloop import`; nothing is downloaded."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from kinoloop.environment import Environment
from kinoloop.errors import DataError
from kinoloop.ingestion.importers.base import IMPORTERS, Landing
from kinoloop.library.dataset import Dataset, read_chunks
from kinoloop.library.expected import as_path
from kinoloop.library.rows import Errors

logger = logging.getLogger(__name__)

FOLDERS = (Path(), Path("data"), Path("datasets"))
"""Where a data set is looked for besides."""


@dataclass(frozen=True)
class _Source:
    """A public data set.

    Attributes:
        importer: That reads it.
        page: Where it can be had.
    """

    importer: str
    page: str


_MOVIELENS = _Source("movielens", "https://grouplens.org/datasets/movielens/")
_MICROLENS = _Source("microlens", "https://github.com/westlake-repl/MicroLens")
_KUAIRAND = _Source("kuairand", "https://kuairand.com")
_KUAIREC = _Source("kuairec", "https://kuairec.com")
_RECBOLE = _Source("recbole", "https://recbole.io/dataset_list.html")


def load_movielens(
    name: str | Path = "ml-100k",
    *,
    path: str | Path | None = None,
    interest: Mapping[str, Any] | None = None,
    errors: Errors = "quarantine",
) -> Dataset:
    """Read a release of MovieLens that was unpacked on this machine: ml-100k to ml-32m.

    Args:
        name: Name of its folder, or the folder.
        path: The folder, or the one that holds it. None: it is looked for in the folder that the
            variable `KINOLOOP_DATASETS` names, here, in `data` and in `datasets`.
        interest: Settings of section `[interest]` that differ from their defaults.
        errors: What happens to a row that does not fit: public data has some, so `quarantine` sets
            it aside and lists it in `Dataset.quarantine`; `raise` refuses the first one.

    Raises:
        DataError: The folder is not found (says where it was looked for, and where to get it), or
            is no MovieLens.
    """
    return _load(_MOVIELENS, _find(name, path, _MOVIELENS), interest, errors)


def load_microlens(
    name: str | Path = "MicroLens-50k",
    *,
    path: str | Path | None = None,
    interest: Mapping[str, Any] | None = None,
    errors: Errors = "quarantine",
) -> Dataset:
    """Read MicroLens; releases without times know the order only: split them leave-one-out.

    Args, Raises: As `load_movielens`.
    """
    return _load(_MICROLENS, _find(name, path, _MICROLENS), interest, errors)


def load_kuairand(
    name: str | Path = "KuaiRand-Pure",
    *,
    path: str | Path | None = None,
    interest: Mapping[str, Any] | None = None,
    errors: Errors = "quarantine",
) -> Dataset:
    """Read KuaiRand: its logs, its histories and the basic features of its videos.

    Args, Raises: As `load_movielens`.
    """
    return _load(_KUAIRAND, _find(name, path, _KUAIRAND), interest, errors)


def load_kuairec(
    name: str | Path = "KuaiRec",
    *,
    path: str | Path | None = None,
    interest: Mapping[str, Any] | None = None,
    errors: Errors = "quarantine",
) -> Dataset:
    """Read KuaiRec.

    Args, Raises: As `load_movielens`.
    """
    return _load(_KUAIREC, _find(name, path, _KUAIREC), interest, errors)


def load_recbole(
    name: str | Path,
    *,
    path: str | Path | None = None,
    interest: Mapping[str, Any] | None = None,
    errors: Errors = "quarantine",
) -> Dataset:
    """Read the atomic files (`.inter`, `.item`) of any data set of RecBole.

    Args, Raises: As `load_movielens`.
    """
    return _load(_RECBOLE, _find(name, path, _RECBOLE), interest, errors)


def _find(name: str | Path, path: str | Path | None, source: _Source) -> Path:
    name = as_path(name, f"load_{source.importer}")
    if path is not None:
        path = as_path(path, f"load_{source.importer}")
        candidates = [path / name, path]
    else:
        shared = Environment().datasets
        roots = [*([] if shared is None else [shared]), *FOLDERS]
        candidates = [root / name for root in roots]
    found = next((folder for folder in candidates if folder.is_dir()), None)
    if found is None:
        looked = ", ".join(dict.fromkeys(str(folder.resolve()) for folder in candidates))
        raise DataError(
            f"there is no folder {str(name)!r}: looked for {looked}. Get it from {source.page}, "
            "unpack it, and name its folder (path=…; KINOLOOP_DATASETS for the one that holds it)"
        )
    return found


def _load(
    source: _Source, folder: Path, interest: Mapping[str, Any] | None, errors: Errors
) -> Dataset:
    with TemporaryDirectory(prefix="kinoloop-") as landing:
        target = Landing(landing, source.importer, folder)
        IMPORTERS.get(source.importer)(folder, target)
        for warning in target.order.warnings():
            logger.warning("%s: %s", folder, warning)
        videos = list(_shards(Path(landing), "videos"))
        return read_chunks(
            _shards(Path(landing), "events"),
            pl.concat(videos, how="diagonal_relaxed") if videos else pl.DataFrame({"video_id": []}),
            interest=interest,
            errors=errors,
        )


def _shards(landing: Path, kind: str) -> Iterator[pl.DataFrame]:
    for shard in sorted((landing / kind).glob("*.parquet")):
        yield pl.read_parquet(shard)
