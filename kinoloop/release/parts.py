"""What a bundle may hold: the list of its parts; anything else is refused by name.

A link could lead out of the bundle, code could be run by who finds it, and a file that nobody
expects was never proven.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from kinoloop.errors import BundleError

DIGEST = re.compile(r"[0-9a-f]{64}")

_PARTS = re.compile(
    r"bundle\.(json|sig)"
    r"|(model|ranker)/(config\.json|(state|extension)\.safetensors)"
    r"|ranker/situations\.json"
    r"|learned/[\w.-]{1,60}\.safetensors"
    r"|videos\.parquet|(published_at|popularity)\.npy|golden\.json"
    r"|vectors/\w+(\.(present|mean|scales))?\.npy"
    r"|(lexical|histories)/\w+\.npy"
    r"|thumbnails/(spans\.npy|packed\.bin)"
    r"|moments/(\w+\.npy|packed\.bin)"
    r"|retrieval/plans\.json"
    r"|retrieval/(recommend|similar|search)/(index\.faiss|\w+\.npy)"
    r"|joint\.safetensors",
    re.ASCII,
)


def files_of(directory: Path) -> dict[str, Path]:
    """Every file of a bundle by POSIX path, sorted.

    Raises:
        BundleError: Something is there that does not belong in a bundle: a link, code, or else
            anything that is not on the list.
    """
    found: dict[str, Path] = {}
    for folder, folders, names in os.walk(directory, followlinks=False):
        for name in (*folders, *names):
            path = Path(folder, name)
            part = path.relative_to(directory).as_posix()
            if path.is_symlink():
                raise BundleError(f"{part!r} is a link; {_refusal(directory)}")
            if path.is_dir():
                continue
            if not path.is_file():
                raise BundleError(f"{part!r} is not a regular file; {_refusal(directory)}")
            check_names(directory, [part])
            found[part] = path
    return dict(sorted(found.items()))


def check_names(directory: Path, names: Iterable[str]) -> None:
    """Refuse what is not on the list of parts, such as a path with `..` in it.

    Raises:
        BundleError: Names the first one.
    """
    for name in names:
        if _PARTS.fullmatch(name) is None:
            raise BundleError(f"{name[:200]!r} is not a part of a bundle; {_refusal(directory)}")


def check_digest(digest: str, where: str) -> str:
    """Return the digest checked, before it becomes a path.

    Raises:
        BundleError: It is not 64 hex digits.
    """
    if DIGEST.fullmatch(digest) is None:
        raise BundleError(
            f"{where} has the digest {digest[:200]!r}, expected 64 hex digits; somebody changed "
            "it: run `kinoloop rollback`, or `kinoloop retrain --force` and `kinoloop promote`"
        )
    return digest


def _refusal(directory: Path) -> str:
    return f"{directory} is refused: register a bundle that Kinoloop wrote"
