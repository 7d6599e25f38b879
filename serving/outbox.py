"""From the outbox to the landing zone: each accepted event once, across crashes.

A batch is named in the live state first, then written under that name (temporary file, fsync,
rename), then taken out of the outbox. Killed at any point, the next export writes the same rows in
the same order under the same name: the file is byte for byte what it was, and ingest, which knows
files by digest and events by `event_id`, changes nothing. One exporter works at a time; two that
think so, because the claim of one ran out, write the same file.

The raw user id and what the user wrote are kept from acceptance to export and then deleted (SQLite
overwrites the bytes, and its log is emptied; in Redis they are sealed): the landing zone is the one
place that carries raw ids, and ingest pseudonymises what it takes.
"""

import json
import logging
import math
from datetime import UTC, datetime, timedelta
from typing import Any

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

    def pending(self) -> int:
        """Events that wait."""
        return self.state.pending()

    def export(self) -> int:
        """Write everything that waits; 0 where another process is at it."""
        done = 0
        with self.state.alone("export") as mine:
            while mine and (batch := self.state.claim(self.max_rows)) is not None:
                done += self._export(batch)
            if done:
                self.state.wipe()
        return done

    def _export(self, batch: str) -> int:
        rows = self.state.batch(batch)
        if rows:  # else all were erased, or another has written it
            content = "".join(map(_line, rows)).encode()
            write(self._files, f"{self._root}/{FOLDER}/{batch}.jsonl", content, mode=0o600)
        self.state.finish(batch)
        logger.info("%d feedback events exported as %s", len(rows), batch)
        return len(rows)


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


def _plain(value: Any) -> Any:  # noqa: ANN401 (what a state holds)
    """JSON has no word for infinity; landing reads it as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
