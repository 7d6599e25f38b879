"""Files that break their contract are set aside with their reasons; the others go on.

A file whose content is to blame is not read again until it changes (another digest), or the
settings do. One that only waits, for its videos or for more rows, is looked at with every batch.
Each is reported once: the record beside the data directory says which were. It is not a table,
since a file that was not ingested changes no dataset version.
"""

import hashlib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, ValidationError

from kinoloop import __version__, durable
from kinoloop.errors import BatchError, times
from kinoloop.ingestion.landing import Arrivals, LandingFile
from kinoloop.ingestion.rule import IngestConfig

WAITS_FOR_VIDEOS = "waits_for_videos"
WHOLE_SOURCE = "whole_source"
BY_CONTENT = {
    *("column_exists", "column_type", "column_unique", "not_empty", "encoding", "header"),
    *("stray_quote", "json_lines"),
}
"""Checks that fail again as long as the content and the settings are the same."""


class SetAside(BaseModel):
    """One file that was not ingested.

    Attributes:
        file: Below the landing zone.
        digest: SHA-256 of its content.
        kind: `videos` or `events`.
        path: On the filesystem of the landing zone.
        column: The column that failed, or "".
        check: What it failed, such as `column_exists`.
        count: How many rows (or columns) failed it.
        hint: What to do next.
    """

    file: str
    digest: str
    kind: str
    path: str
    column: str
    check: str
    count: int
    hint: str

    @classmethod
    def of(cls, file: LandingFile, err: BatchError) -> "SetAside":
        """Describe a file that raised `err`."""
        facts = {"column": err.column, "check": err.check, "count": err.count, "hint": err.hint}
        return cls.model_validate(
            {**file.model_dump(include={"file", "digest", "kind", "path"}), **facts}
        )

    @property
    def message(self) -> str:
        """One line for people."""
        where = f"{self.file}, column {self.column!r}," if self.column else self.file
        return f"{where} was set aside: {self.check}{times(self.count)}. {self.hint}"

    def as_error(self, others: int) -> BatchError:
        """Return the error of a batch with nothing left; `others` more files were set aside."""
        more = f" {others} more files were set aside." if others else ""
        return BatchError(
            file=self.file,
            column=self.column,
            check=self.check,
            count=self.count,
            hint=self.hint + more,
        )


class Record(BaseModel):
    """What stands aside, and under which settings that was found."""

    judged_by: str = ""
    files: list[SetAside] = []


def source_of(file: str, sources: Iterable[str]) -> str | None:
    """Find the first source (folder or pattern below the landing zone) that a file belongs to."""
    for source in sources:
        if fnmatchcase(file, source) or fnmatchcase(file, f"{source.rstrip('/')}/*"):
            return source
    return None


def hold_back(arrivals: Arrivals, place: Path, config: IngestConfig) -> list[SetAside]:
    """Take the files out of `arrivals.new` whose content is known to break the contract.

    Args:
        arrivals: Of one look; changed.
        place: Of the record.
        config: Section `ingest`; other settings judge every file again.

    Returns:
        What is said of them.
    """
    record = _read(place)
    if record.judged_by != _judge(config):
        return []
    known = {(f.file, f.digest): f for f in record.files if f.check in BY_CONTENT}
    held = [known[f.file, f.digest] for f in arrivals.new if (f.file, f.digest) in known]
    arrivals.new = [f for f in arrivals.new if (f.file, f.digest) not in known]
    return held


def remember(
    standing: Sequence[SetAside], found: Sequence[SetAside], place: Path, config: IngestConfig
) -> list[SetAside]:
    """Rewrite the record.

    Args:
        standing: What was held back.
        found: What this batch set aside.
        place: Of the record.
        config: Section `ingest`.

    Returns:
        What of `found` was not told before.
    """
    before = {(f.file, f.digest, f.check, f.column) for f in _read(place).files}
    record = Record(judged_by=_judge(config), files=[*standing, *found])
    durable.write_json(place, record.model_dump())
    return [f for f in found if (f.file, f.digest, f.check, f.column) not in before]


def _read(place: Path) -> Record:
    """Read the record; an empty one where there is none, or none that can be read."""
    try:
        return Record.model_validate_json(place.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, ValidationError):
        return Record()


def _judge(config: IngestConfig) -> str:
    return hashlib.sha256(f"{__version__} {config.model_dump_json()}".encode()).hexdigest()
