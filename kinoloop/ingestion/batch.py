"""What a batch is, and when a file of it is set aside."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel

from kinoloop.errors import BatchError, DataError
from kinoloop.ingestion.conform import parsed_columns
from kinoloop.ingestion.landing import Kind, LandingFile
from kinoloop.ingestion.rule import IngestConfig
from kinoloop.ingestion.rules import RULES
from kinoloop.ingestion.set_aside import WAITS_FOR_VIDEOS, SetAside, source_of


class FileCounts(BaseModel):
    """What became of one file.

    Attributes:
        landed_at: When the file was last written.
        rows: Rows in; always accepted + quarantined + duplicates.
        findings: Rows by the rule that they break, quarantining and warning ones alike.
        unreadable: Text values by the column whose type they do not have.
        first_unreadable: What is wrong with the first of them, by column.
        filled: Values that are not null, by column, for the share of `unreadable`.
        held: Of the accepted, rows whose video nobody knows yet, before duplicates are found.
        promised: Rows of videos that stand in a file that is set aside.
        ignored_columns: Columns that the landing format does not know and tables do not keep.
    """

    file: str
    kind: Kind
    digest: str
    landed_at: datetime | None = None
    rows: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0
    findings: dict[str, int] = {}
    unreadable: dict[str, int] = {}
    first_unreadable: dict[str, str] = {}
    filled: dict[str, int] = {}
    held: int = 0
    promised: int = 0
    ignored_columns: list[str] = []

    def add(self, counts: dict[str, int], to: str) -> None:
        """Add counts to `findings`, `unreadable` or `filled`."""
        total: dict[str, int] = getattr(self, to)
        for name, count in counts.items():
            if count:
                total[name] = total.get(name, 0) + count


class Staged(BaseModel):
    """A validated batch on disk, ready to commit.

    Attributes:
        batch_id: Hash of the digests of its files.
        directory: Where it is staged.
        files: Counts, one per file; none where every file was set aside.
        set_aside: Files that break their contract; no row of them is staged.
        warnings: Findings about the batch as a whole, for people.
        severities: What happened to rows that break a rule, by rule.
        against: Versions of the tables that it was staged against.
        key_id: Of the pseudonym key.
    """

    batch_id: str
    directory: Path
    files: list[FileCounts]
    set_aside: list[SetAside] = []
    warnings: list[str] = []
    severities: dict[str, str] = {}
    against: dict[str, int]
    key_id: str

    def total(self, count: str) -> int:
        """Sum of `rows`, `accepted`, `quarantined` or `duplicates` over the files."""
        return sum(int(getattr(file, count)) for file in self.files)

    def findings(self) -> dict[str, int]:
        """Rows by rule over all files, in the order of the rules."""
        sums = {rule.name: sum(f.findings.get(rule.name, 0) for f in self.files) for rule in RULES}
        sums["malformed_row"] = sum(f.findings.get("malformed_row", 0) for f in self.files)
        return {name: count for name, count in sums.items() if count}


def batch_id_of(files: Iterable[LandingFile]) -> str:
    """Name a batch by its files: the same files give the same name."""
    digests = "\n".join(sorted(file.digest for file in files))
    return hashlib.sha256(digests.encode()).hexdigest()[:32]


def check_balance(files: Iterable[FileCounts]) -> None:
    """Nothing is dropped silently.

    Raises:
        DataError: A file's rows are not accepted + quarantined + duplicates.
    """
    for file in files:
        counted = file.accepted + file.quarantined + file.duplicates
        if file.rows != counted:
            raise DataError(
                f"{file.file}: {file.rows} rows in, but {file.accepted} accepted + "
                f"{file.quarantined} quarantined + {file.duplicates} duplicates = {counted}; "
                "nothing was changed, please report this as a bug"
            )


def check_file(counts: FileCounts, config: IngestConfig) -> None:
    """Refuse a file of which too much is wrong to be a matter of single rows.

    Raises:
        BatchError: A column is text of another type, most rows would be quarantined, or some
            because their videos are set aside.
    """
    if source_of(counts.file, config.row_by_row):
        return
    if counts.promised:
        raise BatchError(
            file=counts.file,
            column="video_id",
            check=WAITS_FOR_VIDEOS,
            count=counts.promised,
            hint="The videos of these rows stand in a file that is set aside. Correct that file; "
            "this one goes in with it.",
        )
    judged = {rule.name for rule in RULES if config.severity(rule) == "quarantine"}
    for column in parsed_columns(counts.kind):
        if f"{counts.kind[:-1]}_{column}_unreadable" not in judged:
            continue
        unreadable, filled = counts.unreadable.get(column, 0), counts.filled.get(column, 0)
        if unreadable > filled * config.max_unreadable_share:
            raise BatchError(
                file=counts.file,
                column=column,
                check="column_type",
                count=unreadable,
                hint=f"{unreadable} of {filled} values cannot be read as the column's type; the "
                f"first: {counts.first_unreadable[column]}. See docs/guides/your-data.md for how "
                "each is written.",
            )
    large = counts.rows >= config.quarantined_share_min_rows
    lost = counts.quarantined + counts.held
    if large and lost > counts.rows * config.max_quarantined_share:
        name, count = _worst(counts, config)
        rule = next((rule for rule in RULES if rule.name == name), None)
        raise BatchError(
            file=counts.file,
            column=rule.column if rule else "",
            check=name,
            count=count,
            hint=f"{lost} of {counts.rows} rows would be quarantined or held, most since "
            f"{rule.reason if rule else 'the line is not a row'}. Correct the file, land what it "
            "refers to, or raise max_quarantined_share in [ingest].",
        )


def _worst(counts: FileCounts, config: IngestConfig) -> tuple[str, int]:
    """Find the rule that keeps most rows from counting."""
    quarantining = {
        name: count
        for name, count in counts.findings.items()
        if name == "malformed_row"
        or any(r.name == name and config.severity(r) in {"quarantine", "hold"} for r in RULES)
    }
    found = quarantining or counts.findings
    return max(found.items(), key=lambda item: item[1])
