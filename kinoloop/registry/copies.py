"""Local copies of releases, and a note of which of them served last.

The note is what a service starts from when the champion cannot be taken: the registry is away,
slow, or points at a version that is damaged or gone.
"""

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from kinoloop import durable
from kinoloop.release.parts import DIGEST
from kinoloop.release.signature import SIGNATURE

logger = logging.getLogger(__name__)

NOTE = "in-service.json"
REMEMBERED = 2
"""Releases in the note: the last good one, and the one before it should that be damaged."""


@dataclass(frozen=True)
class ServedRelease:
    """A release that was in service here.

    Attributes:
        digest: Name of its copy.
        model_version: Number in the registry.
        run_id: Run that trained it.
    """

    digest: str
    model_version: str
    run_id: str


def remember(cache_dir: Path, served: ServedRelease) -> None:
    """Note a release as the newest that passed its check and went into service."""
    kept = [served, *(one for one in remembered(cache_dir) if one.digest != served.digest)]
    document = {"releases": [asdict(one) for one in kept[:REMEMBERED]]}
    durable.write_json(cache_dir / NOTE, document)


def remembered(cache_dir: Path) -> list[ServedRelease]:
    """Read what was in service here, newest first; what cannot be read is passed over."""
    try:
        document = json.loads((cache_dir / NOTE).read_bytes())
        found = [ServedRelease(**one) for one in document["releases"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [one for one in found if DIGEST.fullmatch(str(one.digest))]


def keep_copy(fresh: Path, cache_dir: Path, digest: str) -> None:
    """Move a signed bundle that was made here to its place, so that it need not be downloaded.

    Where somebody fetched the same meanwhile, theirs stays and gets our signature: a service may be
    opening it, and theirs may be signed with a key that is no longer used.
    """
    target = cache_dir / digest
    durable.make_folder(cache_dir)
    with FileLock(cache_dir / f".{digest}.lock"):
        if target.exists():
            durable.move(fresh / SIGNATURE, target / SIGNATURE)
            shutil.rmtree(fresh)
        else:
            durable.move(fresh, target)


def prune(cache_dir: Path, keep: set[str]) -> int:
    """Remove copies that are neither in `keep` nor in the note; returns how many."""
    keep = keep | {served.digest for served in remembered(cache_dir)}
    stale = [
        path
        for path in cache_dir.glob("[!.]*")
        if path.name not in keep and DIGEST.fullmatch(path.name)
    ]
    for path in stale:
        shutil.rmtree(path)
    return len(stale)
