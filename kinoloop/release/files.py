"""Files of a bundle: memory-mapped arrays and digests.

Arrays are `.npy` and are read with `mmap_mode="r"` and `allow_pickle=False`: all workers of a
service share one copy in the page cache, and nothing in the file can run.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.errors import BundleError
from kinoloop.release.parts import files_of

NOT_LISTED = ("bundle.json", "bundle.sig")


def digests(directory: Path) -> dict[str, str]:
    """SHA-256 of every part of a bundle by POSIX path, sorted.

    `bundle.json` and its signature are left out: one holds the digests, the other signs them.

    Raises:
        BundleError: Something is there that is not a part of a bundle, or cannot be read.
    """
    return digests_of(directory, known={})


def digests_of(directory: Path, *, known: Mapping[str, str]) -> dict[str, str]:
    """`digests`, of files that are the same ones as elsewhere taken as known."""
    rest = {name for name in files_of(directory) if name not in NOT_LISTED and name not in known}
    return dict(sorted({**known, **{name: _digest(directory / name) for name in rest}}.items()))


def link(source: Path, target: Path) -> None:
    """Give a file of an immutable bundle another name; copy it where that is another disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write one array as `.npy`, in C order, its folder made where needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.ascontiguousarray(array), allow_pickle=False)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        raise BundleError(f"{path} cannot be read: {err}; fetch the bundle again") from err


def open_array(path: Path) -> NDArray[Any]:
    """Open one array memory-mapped, read-only.

    Raises:
        BundleError: The file is missing or is no array.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as err:  # a header is parsed as Python: damage raises tokenize.TokenError too
        raise BundleError(f"{path} cannot be read as an array: {err}") from err
    return array.view(np.ndarray)  # plain ndarray: memmap's Python hooks cost on every slice
