"""Content hashes that are not computed twice: SHA-256 by (path, size, time of change).

Held in SQLite in the state folder; losing it costs time, never truth. A file that changed within
the last two seconds is not remembered: it could change again within the clock's tick.
"""

import hashlib
import logging
import sqlite3
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from kinoloop.errors import MediaError
from kinoloop.media.source import check_regular, digest, remote_token

logger = logging.getLogger(__name__)

SETTLED_S = 2.0
THREADS = 8
Key = tuple[str, int, int]


class HashCache:
    """Hashes files and remembers.

    Args:
        path: Of the SQLite file; made when missing, made again when damaged.
        max_bytes: Larger files are not read.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._known: dict[str, tuple[int, int, str]] = {}
        self._fresh: dict[Key, str] = {}
        self.computed = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._read()
        except sqlite3.DatabaseError:
            logger.warning("%s is damaged and is made again; every file is hashed once", path)
            path.unlink()
            self._read()

    def hash_all(self, places: Iterable[Path | str]) -> dict[Path | str, str]:
        """Content hash of each place, or `!reason` where there is nothing to hash.

        Args:
            places: Paths, and URLs. A URL's hash is that of its address, size and version, so that
                nothing is downloaded only to be recognised.
        """
        unique = list(dict.fromkeys(places))
        with ThreadPoolExecutor(THREADS) as threads:
            hashes = dict(zip(unique, threads.map(self._hash, unique), strict=True))
        self._write()
        return hashes

    def _hash(self, place: Path | str) -> str:
        try:
            if isinstance(place, str):
                return hashlib.sha256(f"{place}|{remote_token(place)}".encode()).hexdigest()
            return self._hash_file(place)
        except MediaError as err:
            return f"!{err.reason}"

    def _hash_file(self, path: Path) -> str:
        facts = check_regular(path, max_bytes=self._max_bytes)
        key = (str(path.resolve()), facts.st_size, facts.st_mtime_ns)
        known = self._known.get(key[0])
        if known is not None and known[:2] == key[1:]:
            return known[2]
        self.computed += 1
        content_hash = digest(path, max_bytes=self._max_bytes)
        if time.time() - facts.st_mtime > SETTLED_S:
            self._fresh[key] = content_hash
        return content_hash

    def _read(self) -> None:
        with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS hashes "
                "(path TEXT PRIMARY KEY, size INTEGER, modified_ns INTEGER, sha256 TEXT)"
            )
            rows = database.execute("SELECT path, size, modified_ns, sha256 FROM hashes")
            self._known = {path: (size, at, sha) for path, size, at, sha in rows}

    def _write(self) -> None:
        if not self._fresh:
            return
        with closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            database.executemany(
                "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)",
                [(*key, sha) for key, sha in self._fresh.items()],
            )
        self._known.update({path: (size, at, sha) for (path, size, at), sha in self._fresh.items()})
        self._fresh.clear()
