"""Files of a bundle: memory-mapped arrays and digests.

Arrays are `.npy` and are read with `mmap_mode="r"` and `allow_pickle=False`: all workers of a
service share one copy in the page cache, and nothing in the file can run.
"""

import hashlib
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
    found = {}
    for name, path in files_of(directory).items():
        if name in NOT_LISTED:
            continue
        try:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as err:
            raise BundleError(f"{path} cannot be read: {err}; fetch the bundle again") from err
    return found


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write one array as `.npy`, in C order, its folder made where needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.ascontiguousarray(array), allow_pickle=False)


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
