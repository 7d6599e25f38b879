"""From the outbox to the landing zone: each accepted event once, across crashes.

A batch is named in the database first, then written under that name (temporary file, fsync,
rename), then taken out of the outbox. Killed at any point, the next export writes the same rows in
the same order under the same name: the file is byte for byte what it was, and ingest, which knows
files by digest and events by `event_id`, changes nothing. One exporter works at a time, under a
file lock that dies with its owner.

The raw user id and what the user wrote are kept from acceptance to export and then deleted (SQLite
overwrites the bytes, and its log is emptied): the landing zone is the one place that carries raw
ids, and ingest pseudonymises what it takes.
"""

import hashlib
import json
import logging
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from filelock import FileLock, Timeout

from kinoloop.ingestion.landing import open_landing, sweep, write
from serving.state import LiveState

logger = logging.getLogger(__name__)

FOLDER = "events/feedback"
SURFACE = "service"  # where an event came from that does not say so itself


class Outbox:
    """Moves accepted feedback on.

    Args:
        state: Where the outbox is.
        landing: Folder or fsspec URL of the landing zone.
        max_rows: Events in one file at most.
    """

    def __init__(self, state: LiveState, landing: str, *, max_rows: int) -> None:
        self.state = state
        self.max_rows = max_rows
        self._files, self._root = open_landing(landing)
        sweep(self._files, f"{self._root}/{FOLDER}")
        self._lock = FileLock(state.path.with_suffix(".export.lock"), mode=0o600)

    def pending(self) -> int:
        """Events that wait."""
        return int(self.state.connection.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def export(self) -> int:
        """Write everything that waits; 0 where another process is at it."""
        try:
            with self._lock.acquire(blocking=False):
                done = 0
                while rows := self._export_batch():
                    done += rows
                if done:
                    self.state.wipe()
                return done
        except Timeout:
            return 0

    def _export_batch(self) -> int:
        batch = self._claim()
        if batch is None:
            return 0
        found = self.state.connection.execute(
            "SELECT user_id, video_id, timestamp, event, watch_s, value, text, surface, device,"
            " coalesce(given_id, event_id) AS event_id, duration_s, request_id, position, undoes,"
            " creator_id, label, person_id"
            " FROM outbox JOIN live USING (event_id) WHERE batch = ? ORDER BY seq",
            (batch,),
        )
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found]
        content = "".join(map(_line, rows)).encode()
        write(self._files, f"{self._root}/{FOLDER}/{batch}.jsonl", content, mode=0o600)
        with self.state.transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE batch = ?", (batch,))
        logger.info("%d feedback events exported as %s", len(rows), batch)
        return len(rows)

    def _claim(self) -> str | None:
        """Name the next batch: one that a crash left, else the oldest rows."""
        with self.state.transaction() as connection:
            left = connection.execute(
                "SELECT batch FROM outbox WHERE batch IS NOT NULL LIMIT 1"
            ).fetchone()
            if left is not None:
                return str(left[0])
            rows = connection.execute(
                "SELECT seq, event_id FROM outbox ORDER BY seq LIMIT ?", (self.max_rows,)
            ).fetchall()
            if not rows:
                return None
            batch = _batch_name([event_id for _, event_id in rows])
            connection.execute("UPDATE outbox SET batch = ? WHERE seq <= ?", (batch, rows[-1][0]))
            return batch


def _batch_name(event_ids: list[str]) -> str:
    """Named by content: the same events give the same name, on any machine."""
    digest = hashlib.sha256("".join(event_ids).encode()).hexdigest()[:24]
    return f"feedback-{digest}"


def _line(row: dict[str, Any]) -> str:
    """One event as a line of the landing zone, all columns in each: a file may have one line."""
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=row["timestamp"])
    document = {
        **row,
        "video_id": row["video_id"] or None,
        "timestamp": moment.isoformat(timespec="microseconds"),
        "surface": SURFACE if row["surface"] is None else row["surface"],
    }
    row = {name: _plain(value) for name, value in document.items()}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:  # noqa: ANN401 (what SQLite holds)
    """JSON has no word for infinity; landing reads it as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
