"""Content hashes that are not computed twice: SHA-256 by (path, size, time of change).

Held in SQLite in the state folder; losing it costs time and nothing else. A file that changed
within the last two seconds is not remembered: it could change again within the clock's tick.
"""

import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from stat import S_ISREG

from kinoloop.errors import MediaError
from kinoloop.media.fetch import Fetcher
from kinoloop.media.source import check_regular, digest

logger = logging.getLogger(__name__)

SETTLED_S = 2.0
THREADS = 8
Key = tuple[str, int, int]


class HashCache:
    """Hashes files and remembers.

    Args:
        path: Of the SQLite file; made when missing, made again when damaged.
        max_bytes: Larger files are not read.
        fetcher: Asks for the version of what is remote.
    """

    def __init__(self, path: Path, *, max_bytes: int, fetcher: Fetcher | None = None) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._fetcher = fetcher or Fetcher()
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
        hashes = {place: self._remembered(place) for place in places}
        fresh = [place for place, known in hashes.items() if known is None]
        with ThreadPoolExecutor(THREADS) as threads:
            hashes.update(zip(fresh, threads.map(self._hash, fresh), strict=True))
        self._write()
        return {place: content_hash or "" for place, content_hash in hashes.items()}

    def _remembered(self, place: Path | str) -> str | None:
        """Of a file that is as it was: one `stat`, no thread; most of a catalogue is."""
        known = None if isinstance(place, str) else self._known.get(str(place))
        if known is None:
            return None
        try:
            facts = os.stat(place)  # noqa: PTH116 (three times as fast as Path.stat)
        except OSError:
            return None
        same = (facts.st_size, facts.st_mtime_ns) == known[:2] and S_ISREG(facts.st_mode)
        return known[2] if same and facts.st_size <= self._max_bytes else None

    def _hash(self, place: Path | str) -> str:
        try:
            if isinstance(place, str):
                return hashlib.sha256(f"{place}|{self._fetcher.token(place)}".encode()).hexdigest()
            return self._hash_file(place)
        except MediaError as err:
            return f"!{err.reason}"

    def _hash_file(self, path: Path) -> str:
        facts = check_regular(path, max_bytes=self._max_bytes)
        key = (str(path), facts.st_size, facts.st_mtime_ns)
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
