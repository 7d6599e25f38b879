"""Open files that may be decoded: regular ones, not too large.

A FIFO or a device would hang whoever reads it. What is remote is copied to a file first (`fetch`),
so that a decoder never touches the network.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kinoloop.errors import MediaError

CHUNK_BYTES = 1 << 20


def check_regular(path: Path, *, max_bytes: int) -> os.stat_result:
    """Refuse what must not be opened.

    Raises:
        MediaError: `not_found`, `not_a_regular_file`, `empty` or `too_large`.
    """
    try:
        facts = path.stat()
    except (OSError, ValueError) as err:
        raise MediaError("not_found", f"{path}: {getattr(err, 'strerror', '') or err}") from err
    _check(facts, path, max_bytes)
    return facts


def _check(facts: os.stat_result, path: Path, max_bytes: int) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise MediaError("not_a_regular_file", f"{path} is a {_kind(facts.st_mode)}")
    if not facts.st_size:
        raise MediaError("empty", f"{path} has 0 bytes")
    if facts.st_size > max_bytes:
        raise MediaError("too_large", f"{path} has {facts.st_size} bytes, limit {max_bytes}")


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


def open_real(path: Path, *, max_bytes: int) -> IO[bytes]:
    """Open what a real path names for reading; links that were put into it meanwhile stop it.

    Each folder is opened in the one before it, so what is read lies where the path was found to
    lead, whoever changes names at the same time.

    Args:
        path: Absolute, links followed, as `kinoloop.media.access.resolve` returns it.
        max_bytes: A larger file is refused.

    Raises:
        MediaError: As `check_regular`; `not_allowed` where a link is in the way, `unreadable`
            without permission.
    """
    *folders, name = path.parts
    through = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    within: int | None = None
    try:
        for folder in folders:
            outer, within = within, os.open(folder, through, dir_fd=within)
            if outer is not None:
                os.close(outer)
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.fdopen(os.open(name, flags, dir_fd=within), "rb")
    except OSError as err:
        raise MediaError(_NOT_OPENED.get(err.errno or 0, "unreadable"), f"{path}: {err}") from err
    finally:
        if within is not None:
            os.close(within)
    try:
        _check(os.fstat(file.fileno()), path, max_bytes)
    except MediaError:
        file.close()
        raise
    return file


_NOT_OPENED = {
    errno.ENOENT: "not_found",
    errno.ELOOP: "not_allowed",
    errno.ENOTDIR: "not_allowed",
    errno.ENXIO: "not_a_regular_file",
}


def digest(path: Path, *, max_bytes: int) -> str:
    """SHA-256 of a regular file, hex.

    Raises:
        MediaError: As `open_regular`; `unreadable` where its disk fails.
    """
    with open_regular(path, max_bytes=max_bytes) as file:
        hasher = hashlib.sha256()
        try:
            while chunk := file.read(CHUNK_BYTES):
                hasher.update(chunk)
        except OSError as err:
            raise MediaError("unreadable", f"{path}: {err.strerror}") from err
        return hasher.hexdigest()


def _kind(mode: int) -> str:
    kinds = {
        stat.S_ISDIR: "directory",
        stat.S_ISFIFO: "FIFO",
        stat.S_ISSOCK: "socket",
        stat.S_ISCHR: "device",
        stat.S_ISBLK: "device",
    }
    return next((name for test, name in kinds.items() if test(mode)), "special file")
