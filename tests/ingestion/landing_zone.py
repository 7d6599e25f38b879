"""Tiny landing zones for the tests of ingestion."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from kinoloop.data import writers_lock
from kinoloop.data.tables import Tables
from kinoloop.ingestion import commit
from kinoloop.ingestion.landing import look, open_landing
from kinoloop.ingestion.rule import IngestConfig
from kinoloop.ingestion.staging import nobody, stage_batch
from kinoloop.privacy.pseudonyms import Pseudonyms

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Pseudonyms(b"k" * 32)

VIDEOS = "video_id,title,duration_s\nv1,One,10\nv2,Two,20\n"
EVENTS = (
    "user_id,video_id,timestamp,event,watch_s\n"
    "anna,v1,2025-12-30T10:00:00Z,view,9\n"
    "bert,v2,2025-12-31T11:00:00Z,view,5\n"
)


class Zone:
    """A landing zone and tables below one folder."""

    def __init__(self, root: Path) -> None:
        self.landing = root / "landing"
        self.tables = Tables(root / "data")

    def put(self, name: str, content: str | pl.DataFrame) -> Path:
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_text(content)
        return path

    def stage(self, config=None, *, pseudonyms=KEY, observe=nobody, any_volume=False):
        """Stage what is new; None where nothing is. Call it with the lock held."""
        arrivals = look(str(self.landing), self.tables)
        if not arrivals.new:
            return None
        return stage_batch(
            open_landing(str(self.landing))[0],
            arrivals.new,
            self.tables,
            pseudonyms=pseudonyms,
            config=config or IngestConfig(),
            directory=self.tables.workspace / "staging" / "batch",
            now=NOW,
            observer=lambda: observe,
            any_volume=any_volume,
        )

    def ingest(self, config=None, **options):
        """Stage and commit what is new and not set aside; the staged batch, or None."""
        with writers_lock.exclusive(self.tables):
            staged = self.stage(config, **options)
            if staged is not None and staged.files:
                commit.commit(staged, self.tables, now=NOW)
            return staged

    def rows(self, table: str) -> pl.DataFrame:
        return self.tables.scan(table).collect()

    def versions(self) -> dict[str, int]:
        return {name: self.tables.version(name) for name in writers_lock.COMMITTED}

    def reasons(self) -> list[list[str]]:
        return self.rows("quarantine")["reasons"].to_list()
