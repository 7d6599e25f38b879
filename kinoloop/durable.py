"""Files and folders that are there whole or not at all, after a killed process and a power cut.

Everything is written in a room of its own beside the target (`.<name>.<8 hex>.tmp/`, mode 0700),
flushed, renamed, and the folder flushed too: only then is it reported as done. A room is locked
while its owner lives (the operating system's lock, which dies with the process), so `sweep` knows
leftovers from work under way without looking at any clock.

It covers local filesystems that keep the order of fsync and rename (ext4, XFS, Btrfs, APFS); an
object store writes whole objects by itself.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOM = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


@contextmanager
def appearing(path: Path, *, mode: int | None = None) -> Iterator[Path]:
    """Give a place for a file or a folder that becomes `path` when the block ends without an error.

    Args:
        path: Where it appears; its parents are made. A file that is there is replaced.
        mode: Permissions; None: as the umask has it.

    Raises:
        OSError: The disk refuses, or `path` is a folder that is not empty.
    """
    make_folder(path.parent)
    with _room(path) as room:
        fresh = room / path.name
        yield fresh
        if mode is not None:
            fresh.chmod(mode)
        sync_tree(fresh)
        fresh.replace(path)
        sync(path.parent)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Give a private place on the disk of `folder`, gone when the block ends; see `sweep`."""
    make_folder(folder)
    with _room(folder / "scratch") as room:
        yield room


def write_bytes(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a file; see `appearing`."""
    with appearing(path, mode=mode) as fresh:
        fresh.write_bytes(content)


def write_text(path: Path, text: str, *, mode: int | None = None) -> None:
    """Write a file in UTF-8; see `appearing`."""
    write_bytes(path, text.encode(), mode=mode)


def write_json(path: Path, document: object, *, mode: int | None = None) -> None:
    """Write a document as JSON; see `appearing`."""
    write_text(path, json.dumps(document, indent=1) + "\n", mode=mode)


def write_once(path: Path, text: str, *, mode: int | None = None) -> bool:
    """Write a file unless it is there; of two that race, one wins and both may read it then.

    Returns:
        Whether this call wrote it.
    """
    make_folder(path.parent)
    with _room(path) as room:
        fresh = room / path.name
        fresh.write_text(text, encoding="utf-8")
        if mode is not None:
            fresh.chmod(mode)
        sync(fresh)
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            return False
        sync(path.parent)
    return True


def move(source: Path, target: Path) -> None:
    """Rename a finished file or folder to `target` on the same filesystem, flushed on both sides.

    Raises:
        OSError: `target` is a folder that is not empty, or on another filesystem.
    """
    make_folder(target.parent)
    sync_tree(source)
    source.replace(target)
    sync(target.parent)
    sync(source.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; those that were not there survive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def remove(path: Path) -> None:
    """Delete a file, if it is there, so that it does not come back after a power cut."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync(path.parent)


def sync(path: Path) -> None:
    """Bring one file, or the names in one folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Bring a file, or a folder with all that is below it, to the disk."""
    if path.is_dir():
        for below in path.rglob("*"):
            if not below.is_symlink():
                sync(below)
    sync(path)


def sweep(folder: Path) -> int:
    """Delete what dead processes left half written directly in `folder`; how many.

    What a living process is writing is left alone.
    """
    swept = 0
    for room in folder.iterdir() if folder.is_dir() else ():
        if not _ROOM.fullmatch(room.name) or room.is_symlink():
            continue
        with suppress(OSError):  # it was renamed or swept meanwhile, or its owner lives
            descriptor = os.open(room, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(room)
                swept += 1
            finally:
                os.close(descriptor)
    return swept


@contextmanager
def _room(path: Path) -> Iterator[Path]:
    """Make a private folder beside `path`, locked until the block ends and gone afterwards."""
    room, descriptor = _locked_room(path)
    try:
        yield room
    finally:
        try:
            shutil.rmtree(room, ignore_errors=True)
        finally:
            os.close(descriptor)


def _locked_room(path: Path) -> tuple[Path, int]:
    while True:
        room = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        room.mkdir(mode=0o700)
        try:
            descriptor = os.open(room, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # swept before it was locked
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if room.exists():
            return room, descriptor
        os.close(descriptor)
