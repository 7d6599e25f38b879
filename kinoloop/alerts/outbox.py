"""Alerts that wait, were sent or were given up: one row each, in SQLite in the state folder.

A row is written before anything is sent and is never written twice: (target, video, label, second)
is its key, so a run that is repeated, killed or extracted again raises no alert a second time. One
that was killed between a webhook's yes and its note is sent again with the same `Idempotency-Key`.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinoloop import durable

PREFECT = "prefect"
"""Target of an alert that becomes an event; others are addresses of webhooks."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alerts (
  key TEXT PRIMARY KEY, target TEXT NOT NULL, body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'waiting', said TEXT NOT NULL DEFAULT ''
)
"""


@dataclass(frozen=True)
class Alert:
    """One thing to tell one target.

    Attributes:
        key: Of this alert, the same however often it is raised.
        target: `PREFECT`, or the address of a webhook.
        body: What is told, JSON.
    """

    key: str
    target: str
    body: str

    @classmethod
    def of(cls, target: str, occurrence: dict[str, Any]) -> "Alert":
        """Make the alert of an occurrence: `video_id`, `facet`, `label`, `start_s` and more."""
        told = [target, *(occurrence[name] for name in ("video_id", "facet", "label"))]
        told.append(int(occurrence["start_s"]))
        key = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        return cls(key, target, json.dumps({"alert_id": key, **occurrence}, ensure_ascii=False))


class AlertOutbox:
    """Keeps alerts until they are told.

    Args:
        path: Of the SQLite file.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            durable.write_once(path, "", mode=0o600)  # an empty file is an empty database
        self._path = path
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(_SCHEMA)

    def add(self, alerts: Iterable[Alert]) -> int:
        """Note alerts that are new; returns how many were."""
        with self._open() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT OR IGNORE INTO alerts (key, target, body) VALUES (?, ?, ?)",
                [(one.key, one.target, one.body) for one in alerts],
            )
            return connection.total_changes - before

    def waiting(self, *, limit: int) -> list[Alert]:
        """Alerts to tell, those that were tried least first."""
        with self._open() as connection:
            rows = connection.execute(
                "SELECT key, target, body FROM alerts WHERE state = 'waiting'"
                " ORDER BY tries, rowid LIMIT ?",
                (limit,),
            )
            return [Alert(*row) for row in rows]

    def note_sent(self, alert: Alert) -> None:
        """Note that a target took an alert."""
        with self._open() as connection:
            connection.execute(
                "UPDATE alerts SET state = 'sent', tries = tries + 1, said = '' WHERE key = ?",
                (alert.key,),
            )

    def note_failed(self, alert: Alert, said: str, *, tries: int) -> None:
        """Note why a target did not take an alert; at `tries` of them it is given up."""
        with self._open() as connection:
            connection.execute(
                "UPDATE alerts SET tries = tries + 1, said = ?,"
                " state = CASE WHEN tries + 1 >= ? THEN 'given up' ELSE state END WHERE key = ?",
                (said[:300], tries, alert.key),
            )

    def counts(self) -> dict[str, int]:
        """How many alerts there are by state."""
        with self._open() as connection:
            return dict(connection.execute("SELECT state, count(*) FROM alerts GROUP BY state"))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=30)) as connection, connection:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
