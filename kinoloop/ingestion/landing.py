"""The landing zone: which files are there, and which of them were not ingested yet.

A file is known by the SHA-256 of its content. The same content under another name, or again after
a copy, changes nothing.
"""

import hashlib
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Literal

import fsspec
from fsspec.implementations.local import LocalFileSystem
from pydantic import BaseModel

from kinoloop import durable
from kinoloop.data.tables import Tables
from kinoloop.errors import ConfigError
from kinoloop.ingestion.reading import format_of
from kinoloop.redaction import without_credentials

logger = logging.getLogger(__name__)

Kind = Literal["videos", "events"]
KINDS: tuple[Kind, ...] = ("videos", "events")
BLOCK_BYTES = 4 << 20


class LandingFile(BaseModel):
    """One file of the landing zone.

    Attributes:
        file: Path below the landing zone, as reports and the ledger name it.
        path: Path on its filesystem.
        kind: `videos` or `events`.
        digest: SHA-256 of the content, hex.
        stamp: Size and time of change; another stamp later means that it was written to.
        landed_at: Time of change; None where its filesystem does not say.
    """

    file: str
    path: str
    kind: Kind
    digest: str
    stamp: str
    landed_at: datetime | None = None


class Arrivals(BaseModel):
    """What one look into the landing zone found.

    Attributes:
        new: Files to ingest, sorted by kind (videos first) and name.
        known: Files whose content was ingested before.
        repeated: Files whose content is that of a file in `new`.
        ignored: Files in `videos/` or `events/` that are neither Parquet, CSV nor JSONL.
    """

    new: list[LandingFile] = []
    known: list[str] = []
    repeated: list[str] = []
    ignored: list[str] = []


def open_landing(landing: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Open a landing zone, a folder or an fsspec URL: its filesystem and root path.

    Raises:
        ConfigError: The URL has a scheme that nothing installed here can open.
    """
    try:
        files, root = fsspec.core.url_to_fs(landing)
    except (ImportError, ValueError) as err:
        raise ConfigError(
            f"the landing zone {without_credentials(landing)} cannot be opened: {err}; "
            "install that package, or name another one: KINOLOOP_LANDING"
        ) from err
    return files, str(root)


def write(
    files: fsspec.AbstractFileSystem, path: str, content: bytes, *, mode: int | None = None
) -> None:
    """Write one file of a landing zone, so that ingest never reads half of it.

    Args:
        files: Filesystem of the landing zone; an object store writes an object whole by itself.
        path: Of the file, on that filesystem.
        content: All of it.
        mode: Permissions on a local filesystem; None: as the umask has it.
    """
    if isinstance(files, LocalFileSystem):
        durable.write_bytes(Path(path), content, mode=mode)
    else:
        files.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
        files.pipe_file(path, content)


def sweep(files: fsspec.AbstractFileSystem, folder: str) -> None:
    """Delete what killed writers left half written in a folder of the landing zone."""
    if isinstance(files, LocalFileSystem):
        durable.sweep(Path(folder))


def look(landing: str, tables: Tables) -> Arrivals:
    """List the landing zone against the ledger `batches`.

    Args:
        landing: Folder or fsspec URL; a missing folder has no files.
        tables: The tables whose ledger says what was ingested.

    Returns:
        What is new and what is not.
    """
    files, root = open_landing(landing)
    digests = set(tables.scan("batches").select("digest").collect()["digest"])
    arrivals = Arrivals()
    for kind, path in _listed(files, root):
        name = str(PurePosixPath(path).relative_to(root))
        if format_of(path) is None:
            arrivals.ignored.append(name)
            logger.warning("%s is neither Parquet, CSV nor JSONL: ignored", name)
            continue
        try:
            stamp = stamp_of(files, path)
            digest = _digest(files, path)
        except OSError as err:  # a link to nothing, taken away meanwhile, or not ours to read
            arrivals.ignored.append(name)
            logger.warning("%s cannot be read (%s): ignored", name, type(err).__name__)
            continue
        if digest in digests:
            arrivals.known.append(name)
        elif any(digest == other.digest for other in arrivals.new):
            arrivals.repeated.append(name)
        else:
            found = LandingFile(file=name, path=path, kind=kind, digest=digest, stamp=stamp)
            found.landed_at = _landed_at(files, path)
            arrivals.new.append(found)
    shown = without_credentials(landing)
    logger.info("%s: %d new, %d known files", shown, len(arrivals.new), len(arrivals.known))
    return arrivals


def stamp_of(files: fsspec.AbstractFileSystem, path: str) -> str:
    """Size and time of change of a file, whatever its filesystem calls the latter."""
    info = files.info(path)
    changed = next(
        (info[key] for key in ("mtime", "ETag", "LastModified", "last_modified") if key in info),
        info.get("created", ""),
    )
    return f"{info['size']} {changed}"


def _landed_at(files: fsspec.AbstractFileSystem, path: str) -> datetime | None:
    try:
        changed = files.modified(path)
    except (NotImplementedError, OSError, KeyError):
        return None
    if not isinstance(changed, datetime):
        return None
    return changed.replace(tzinfo=UTC) if changed.tzinfo is None else changed.astimezone(UTC)


def _listed(files: fsspec.AbstractFileSystem, root: str) -> Iterator[tuple[Kind, str]]:
    files.invalidate_cache()
    for kind in KINDS:
        folder = f"{root.rstrip('/')}/{kind}"
        if not files.isdir(folder):
            continue
        for path in sorted(files.find(folder)):
            parts = PurePosixPath(path).relative_to(root).parts
            if not any(part.startswith((".", "_")) for part in parts):
                yield kind, path


def _digest(files: fsspec.AbstractFileSystem, path: str) -> str:
    digest = hashlib.sha256()
    with files.open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
