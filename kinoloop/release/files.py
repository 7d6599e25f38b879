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


def digests(directory: Path) -> dict[str, str]:
    """SHA-256 of every file below `directory` by POSIX path, sorted; `bundle.json` is left out."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_file() and name != "bundle.json":
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
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
    except (OSError, ValueError, EOFError) as err:
        raise BundleError(f"{path} can not be read as an array: {err}") from err
    return array.view(np.ndarray)  # plain ndarray: memmap's Python hooks cost on every slice
