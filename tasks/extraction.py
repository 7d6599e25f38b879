"""Tasks of the extract flow: run the library's extraction, and tell what it did."""

from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.settings import read_section


@task(name="extract features", retries=1, retry_delay_seconds=10)
def extract_features(environment: Environment, *, retry: bool = False) -> dict[str, Any]:
    """Bring the tables `media` and `features` up to date; a retry goes on where it stopped.

    Args:
        environment: Names the data directory, the landing zone and the state folder.
        retry: Whether to decode again what timed out, ran out of memory or crashed.

    Returns:
        `ExtractReport` as a dictionary.
    """
    from kinoloop.extraction.config import ExtractConfig
    from kinoloop.extraction.run import extract
    from tasks.sharding import roots_of

    config = read_section("extract", ExtractConfig, environment.settings_file)
    report = extract(
        Tables(environment.data_dir),
        config,
        roots=roots_of(environment, config),
        state_dir=environment.state_dir,
        retry=retry,
    )
    return report.to_dict()


def runs_on_ray(environment: Environment) -> bool:
    """Whether the settings ask for a Ray cluster."""
    from kinoloop.extraction.config import ExtractConfig

    return read_section("extract", ExtractConfig, environment.settings_file).runner == "ray"


@task(name="show extraction")
def show_extraction(report: dict[str, Any], version: str) -> None:
    """Leave an artifact that a person can read.

    Args:
        report: What `extract_features` gave.
        version: The dataset version afterwards.
    """
    create_markdown_artifact(
        key="extract",
        description="What the last extraction understood, and what it could not read",
        markdown=as_markdown(report, version),
    )


def as_markdown(report: dict[str, Any], version: str) -> str:
    """Lay the report out as small tables."""
    outcomes = _rows(report["outcomes"])
    reasons = _rows(report["reasons"])
    spaces = "".join(
        f"| {modality} | {report['encoders'][modality]} | `{fingerprint}` "
        f"| {report['features'].get(modality, 0)} | {report['missing'].get(modality, 0)} |\n"
        for modality, fingerprint in report["fingerprints"].items()
    )
    return (
        f"# Extraction\n\n{report['done']} of {report['videos']} videos were new or changed; "
        f"{report['seconds']} s, {report['rate']} videos per second, {report['hashed']} files "
        f"hashed. {report['left_out']} were left out and are tried again in the next run. "
        f"Dataset version `{version}`.\n\n"
        f"| media | videos |\n|---|---|\n{outcomes}\n"
        f"| what could not be read | videos |\n|---|---|\n{reasons}\n"
        "| modality | encoder | fingerprint | rows written | of them missing |\n"
        f"|---|---|---|---|---|\n{spaces}\n{_content(report['labels'], report['duplicates'])}"
    )


def _content(labels: dict[str, Any], duplicates: dict[str, Any]) -> str:
    """Report what videos are about, how well heads learned it, and how many show the same."""
    heads = "".join(
        f"| {head['name']} | {head['videos']} | {head['held_out']} | {head['micro_f1']:.3f} / "
        f"{head['macro_f1']:.3f} | {head['base_micro_f1']:.3f} / {head['base_macro_f1']:.3f} "
        f"| {'yes' if head['used'] else 'no'} |\n"
        for head in labels["heads"]
    )
    table = (
        "| learned from the catalogue | videos | held out | micro / macro F1 | of the base rate "
        f"| used |\n|---|---|---|---|---|---|\n{heads}\n"
    )
    return (
        f"{labels['done']} of {labels['videos']} videos were labelled in {labels['seconds']} s; "
        f"{duplicates['compared']} of {duplicates['videos']} with pictures were compared in "
        f"{duplicates['seconds']} s: {duplicates['grouped']} videos are in {duplicates['groups']} "
        f"groups that show the same.\n\n{table if heads else ''}"
        f"| label | videos labelled now |\n|---|---|\n{_rows(labels['counts'])}"
    )


def _rows(counts: dict[str, int]) -> str:
    return "".join(f"| {name} | {n} |\n" for name, n in sorted(counts.items())) or "| none | 0 |\n"
