"""Tasks of the ingest flow: collect what arrived, validate it, commit it, say what happened."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.ingestion import commit
from kinoloop.ingestion.batch import Staged, batch_id_of
from kinoloop.ingestion.held import expire
from kinoloop.ingestion.landing import Arrivals, look, open_landing
from kinoloop.ingestion.rule import IngestConfig, Limits
from kinoloop.ingestion.rules import RULES
from kinoloop.ingestion.set_aside import SetAside, hold_back, remember
from kinoloop.ingestion.staging import stage_batch
from kinoloop.privacy.pseudonyms import load_pseudonyms
from tasks.expectations import ValidationReport
from tasks.results import IngestSummary

logger = logging.getLogger(__name__)

COUNTS = ("rows", "accepted", "quarantined", "duplicates")


@task(name="collect landing files", retries=2, retry_delay_seconds=5, timeout_seconds=3600)
def collect_landing(
    environment: Environment, config: IngestConfig
) -> tuple[Arrivals, list[SetAside]]:
    """List the landing zone: what the ledger does not have, and what stands aside unchanged."""
    tables = Tables(environment.data_dir)
    arrivals = look(environment.landing, tables)
    return arrivals, hold_back(arrivals, _record(tables), config)


@task(name="validate batch", timeout_seconds=6 * 3600)
def validate_batch(
    environment: Environment,
    arrivals: Arrivals,
    config: IngestConfig,
    *,
    any_volume: bool,
    standing: list[SetAside],
) -> Staged:
    """Stream the new files through the rules into staging, and build the Data Docs.

    Args:
        environment: Where things are.
        arrivals: What to ingest.
        config: Section `ingest`.
        any_volume: Accept a collapse of volume.
        standing: Files that were set aside before.

    Returns:
        The staged batch; where every file was set aside, the Data Docs show what was checked.
    """
    tables = Tables(environment.data_dir)
    files, _ = open_landing(environment.landing)
    name = batch_id_of(arrivals.new)
    now = datetime.now(UTC)
    reports: list[ValidationReport] = []

    def report() -> ValidationReport:
        reports.append(ValidationReport(environment.state_dir, Limits(config, now)))
        return reports[-1]

    staged = stage_batch(
        files,
        arrivals.new,
        tables,
        pseudonyms=load_pseudonyms(environment),
        config=config,
        directory=tables.workspace / "staging" / name,
        now=now,
        observer=report,
        any_volume=any_volume,
        standing=standing,
    )
    if staged.files:
        reports[-1].write(staged.batch_id[:12], now)
    else:
        reports[0].write(f"refused-{name[:12]}", now)
    return staged


@task(name="commit batch", timeout_seconds=6 * 3600)
def commit_batch(environment: Environment, staged: Staged, config: IngestConfig) -> None:
    """Publish the staged batch, whole or not at all; give up events that waited too long."""
    tables, now = Tables(environment.data_dir), datetime.now(UTC)
    commit.commit(staged, tables, now=now)
    expire(tables, older_than=now - timedelta(days=config.hold_days), now=now)


@task(name="report what was set aside")
def report_set_aside(
    environment: Environment, staged: Staged, config: IngestConfig, *, standing: list[SetAside]
) -> list[SetAside]:
    """Remember what was set aside, and leave an artifact of what was not told before.

    Returns:
        What was not told before.

    Raises:
        BatchError: Nothing is left of the batch, and that was not told before.
    """
    news = remember(standing, staged.set_aside, _record(Tables(environment.data_dir)), config)
    if news:
        lines = ["# Set aside", *[f"- {one.message}" for one in news], _docs_line(environment)]
        create_markdown_artifact(
            key="ingest-set-aside",
            markdown="\n\n".join(lines),
            description="Files that were not ingested, and why",
        )
    if news and not staged.files:
        raise news[0].as_error(len(staged.set_aside) - 1)
    return news


def nothing_new(
    arrivals: Arrivals, dataset_version: str, standing: list[SetAside]
) -> IngestSummary:
    """Return what the flow returns where nothing was new."""
    return IngestSummary(
        standing=[one.message for one in standing],
        ignored=arrivals.ignored,
        dataset_version=dataset_version,
    )


@task(name="report batch")
def report_batch(
    environment: Environment,
    arrivals: Arrivals,
    staged: Staged,
    dataset_version: str,
    *,
    news: list[SetAside],
    standing: list[SetAside],
) -> IngestSummary:
    """Leave the Prefect artifact of a batch.

    Args:
        environment: Where things are.
        arrivals: What arrived.
        staged: What was committed of it.
        dataset_version: After the commit.
        news: Files of this batch that were set aside, unless that was told before.
        standing: Files that stand aside since earlier.

    Returns:
        Counts and findings of the batch, and the dataset version.
    """
    totals = {count: staged.total(count) for count in COUNTS}
    standing = [*standing, *(one for one in staged.set_aside if one not in news)]
    findings = staged.findings()
    lines = [
        f"# Batch {staged.batch_id[:12]}: {totals['accepted']} of {totals['rows']} rows accepted",
        f"Dataset version `{dataset_version}`. {_docs_line(environment)}",
        _table(
            ("file", *COUNTS), [[f.file, *(getattr(f, c) for c in COUNTS)] for f in staged.files]
        ),
        "## Findings",
        _table(("rule", "rows", "what happens", "why"), _explained(findings, staged)),
        *[f"- {warning}" for warning in staged.warnings],
        *[f"- {one.message}" for one in news],
        *[f"- still aside: {one.file} ({one.check})" for one in standing],
        *[f"- ignored: {name} (neither Parquet, CSV nor JSONL)" for name in arrivals.ignored],
        *[f"- the same content again: {name}" for name in arrivals.repeated],
        *[
            f"- {f.file}: columns not kept: {', '.join(f.ignored_columns)}"
            for f in staged.files
            if f.ignored_columns
        ],
    ]
    create_markdown_artifact(
        key="ingest-batch", markdown="\n\n".join(lines), description="What became of each file"
    )
    return IngestSummary(
        batch_id=staged.batch_id,
        files=len(staged.files),
        rows=totals["rows"],
        accepted=totals["accepted"],
        quarantined=totals["quarantined"],
        duplicates=totals["duplicates"],
        findings=findings,
        warnings=staged.warnings,
        set_aside=[one.message for one in news],
        standing=[one.message for one in standing],
        dataset_version=dataset_version,
        data_docs=str(_docs(environment)),
    )


def _record(tables: Tables) -> Path:
    return tables.workspace / "set-aside.json"


def _docs(environment: Environment) -> Path:
    return environment.state_dir.resolve() / "data_docs" / "index.html"


def _docs_line(environment: Environment) -> str:
    docs = _docs(environment)
    return f"Data Docs: [{docs}]({docs.as_uri()})"


def _explained(findings: dict[str, int], staged: Staged) -> list[list[object]]:
    rules = {rule.name: rule for rule in RULES}
    severity = {
        "quarantine": "quarantined",
        "hold": "held until the video is known",
        "warn": "accepted, warned",
        "off": "",
        "refuse": "",
    }
    rows: list[list[object]] = []
    for name, count in findings.items():
        rule = rules.get(name)
        happens = severity[staged.severities[name]] if rule else "quarantined"
        rows.append([name, count, happens, rule.reason if rule else "the line is not a row"])
    return rows


def _table(head: tuple[str, ...], rows: list[list[object]]) -> str:
    if not rows:
        return "None."
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
