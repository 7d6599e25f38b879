"""From what a catalogue says (`media`, `subtitles`) to bytes that may be decoded.

A reference is a path or an fsspec URL. A relative path is looked for under each root in turn; the
roots are the landing zone (where it is a folder), the data directory and the working directory. A
URL is copied to a temporary file first, so that a decoder never touches the network. Only regular
files are opened: a FIFO or a device would hang whoever reads it.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from kinoloop.errors import MediaError

REMOTE_SCHEMES = ("http", "https", "s3", "gs", "gcs", "az", "abfs", "abfss", "memory")
"""fsspec protocols that a catalogue may name; chains such as `zip::` are not among them."""

CHUNK_BYTES = 1 << 20


def is_remote(reference: str) -> bool:
    """Whether a reference is an fsspec URL and not a path.

    Raises:
        MediaError: It names a protocol that is not allowed.
    """
    if "://" not in reference:
        return False
    scheme = urlsplit(reference).scheme.lower()
    if scheme not in REMOTE_SCHEMES:
        raise MediaError(
            "scheme_not_allowed",
            f"{reference!r} names protocol {scheme!r}; allowed are {', '.join(REMOTE_SCHEMES)}",
        )
    return True


def resolve(reference: str, roots: Sequence[Path]) -> Path:
    """Find the file that a path names.

    Args:
        reference: A path, absolute or relative.
        roots: Where a relative path is looked for, first match wins.

    Raises:
        MediaError: There is nothing there (`not_found`), or the name is no path (`bad_name`).
    """
    if not reference or "\0" in reference:
        raise MediaError("bad_name", f"{reference!r} is not a file name")
    path = Path(reference)
    candidates = [path] if path.is_absolute() else [root / path for root in roots]
    for candidate in candidates:
        if os.path.lexists(candidate):
            return candidate
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise MediaError("not_found", f"there is no file {reference!r}; looked at {looked}")


def check_regular(path: Path, *, max_bytes: int) -> os.stat_result:
    """Refuse what must not be opened.

    Raises:
        MediaError: `not_found`, `not_a_regular_file`, `empty` or `too_large`.
    """
    try:
        facts = path.stat()
    except OSError as err:
        raise MediaError("not_found", f"{path}: {err.strerror}") from err
    if not stat.S_ISREG(facts.st_mode):
        raise MediaError("not_a_regular_file", f"{path} is a {_kind(facts.st_mode)}")
    if not facts.st_size:
        raise MediaError("empty", f"{path} has 0 bytes")
    if facts.st_size > max_bytes:
        raise MediaError("too_large", f"{path} has {facts.st_size} bytes, limit {max_bytes}")
    return facts


@contextmanager
def open_regular(path: Path, *, max_bytes: int) -> Iterator[IO[bytes]]:
    """Open a file for reading, never blocking on a FIFO that was put there meanwhile.

    Raises:
        MediaError: As `check_regular`; `unreadable` without permission.
    """
    check_regular(path, max_bytes=max_bytes)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as err:
        raise MediaError("unreadable", f"{path}: {err.strerror}") from err
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise MediaError("not_a_regular_file", f"{path} is no longer a file")
        yield file


def digest(path: Path, *, max_bytes: int) -> str:
    """SHA-256 of a regular file, hex."""
    with open_regular(path, max_bytes=max_bytes) as file:
        hasher = hashlib.sha256()
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
        return hasher.hexdigest()


def remote_token(url: str) -> str:
    """What identifies the present content of a URL without reading it: size, time, ETag.

    Raises:
        MediaError: It can not be reached (`not_found`).
    """
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        info = filesystem.info(path)
    except (OSError, ValueError, ImportError) as err:
        raise MediaError("not_found", f"{url}: {err}") from err
    names = ("size", "ETag", "etag", "LastModified", "mtime", "created", "last_modified")
    return "|".join(f"{name}={info[name]}" for name in names if name in info)


@contextmanager
def downloaded(url: str, *, max_bytes: int) -> Iterator[Path]:
    """Copy a URL to a temporary file that is removed afterwards.

    Raises:
        MediaError: It can not be read (`not_found`), or is `too_large`.
    """
    import fsspec

    with tempfile.NamedTemporaryFile(prefix="kinoloop-") as target:
        try:
            with fsspec.open(url, "rb") as source:
                _copy(source, target.file, url=url, max_bytes=max_bytes)
        except (OSError, ValueError, ImportError) as err:
            if isinstance(err, MediaError):
                raise
            raise MediaError("not_found", f"{url}: {err}") from err
        target.flush()
        yield Path(target.name)


def _copy(source: IO[bytes], target: IO[bytes], *, url: str, max_bytes: int) -> None:
    written = 0
    while chunk := source.read(CHUNK_BYTES):
        written += len(chunk)
        if written > max_bytes:
            raise MediaError("too_large", f"{url} has more than {max_bytes} bytes")
        target.write(chunk)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_ISDIR: "directory",
        stat.S_ISFIFO: "FIFO",
        stat.S_ISSOCK: "socket",
        stat.S_ISCHR: "device",
        stat.S_ISBLK: "device",
    }
    return next((name for test, name in kinds.items() if test(mode)), "special file")
