"""Deaths on demand: the n-th step that changes something on the disk is the last one.

A step is a rename, link, new folder or deletion, and every Delta commit, before and after it. Once
dead, nothing changes the disk any more: no `finally` and no `except` cleans up, as after SIGKILL.
`power_cut` then takes away what was never flushed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import deltalake
from deltalake.table import DeltaTable, TableMerger

_SYSTEM = ("replace", "rename", "link", "mkdir", "unlink", "rmdir", "remove")
_DELTA = (
    (DeltaTable, "create"),
    (DeltaTable, "create_write_transaction"),
    (DeltaTable, "restore"),
    (DeltaTable, "delete"),
    (TableMerger, "execute"),
    (deltalake, "write_deltalake"),
)


class Dead(BaseException):
    """The process is no more."""


class Life:
    """Counts steps; dies before step `last`, counted from 0.

    Attributes:
        steps: So far.
        flushed: (inode, time of change) of each file that reached the disk.
    """

    def __init__(self, last: int | None) -> None:
        self.last, self.steps, self.dead = last, 0, False
        self.flushed: set[tuple[int, int]] = set()

    def step(self) -> None:
        if self.dead or self.steps == self.last:
            self.dead = True
            raise Dead
        self.steps += 1


@contextmanager
def life(monkeypatch, last: int | None = None) -> Iterator[Life]:
    """Live until step `last`; None: to the end."""
    mine = Life(last)

    def before(function):
        def run(*args, **kwargs):
            mine.step()
            return function(*args, **kwargs)

        return run

    def around(function):
        def run(*args, **kwargs):
            mine.step()
            done = function(*args, **kwargs)
            mine.step()
            return done

        return run

    fsync = os.fsync

    def synced(descriptor):
        if mine.dead:
            raise Dead
        fsync(descriptor)
        stat = os.fstat(descriptor)
        mine.flushed.add((stat.st_ino, stat.st_mtime_ns))

    with monkeypatch.context() as patch:
        for name in _SYSTEM:
            patch.setattr(os, name, before(getattr(os, name)))
        for owner, name in _DELTA:
            wrapped = around(getattr(owner, name))
            patch.setattr(owner, name, staticmethod(wrapped) if name == "create" else wrapped)
        patch.setattr(os, "fsync", synced)
        yield mine


def on_disk(root: Path) -> set[tuple[int, int]]:
    """(inode, time of change) of each file below `root`."""
    stats = [path.stat() for path in root.rglob("*") if path.is_file()]
    return {(stat.st_ino, stat.st_mtime_ns) for stat in stats}


def power_cut(root: Path, flushed: set[tuple[int, int]], *, names_stay: bool) -> int:
    """Empty the files below `root` that were never flushed, or take them away; how many."""
    torn = 0
    for path in [path for path in root.rglob("*") if path.is_file()]:
        stat = path.stat()
        if (stat.st_ino, stat.st_mtime_ns) not in flushed and stat.st_size:
            torn += 1
            if names_stay:
                path.write_bytes(b"")
            else:
                path.unlink()
    return torn
