"""Tasks of the extract flow: run the library's extraction, and tell what it did."""

from prefect import task
from prefect.artifacts import create_markdown_artifact

from kinoloop.data.tables import Tables
from kinoloop.duplicates.update import DuplicatesReport
from kinoloop.environment import Environment
from kinoloop.extraction.report import ExtractReport
from kinoloop.safety.screen import SafetyReport
from kinoloop.semantics.label import LabelReport
from kinoloop.settings import read_section
from tasks.results import ExtractSummary


@task(name="extract features", retries=1, retry_delay_seconds=10)
def extract_features(environment: Environment, *, retry: bool = False) -> ExtractReport:
    """Bring the tables `media` and `features` up to date; a retry goes on where it stopped.

    Args:
        environment: Names the data directory, the landing zone and the state folder.
        retry: Whether to decode again what timed out, ran out of memory or crashed.
    """
    from kinoloop.extraction.config import ExtractConfig
    from kinoloop.extraction.run import extract
    from tasks.sharding import roots_of

    config = read_section("extract", ExtractConfig, environment.settings_file)
    return extract(
        Tables(environment.data_dir),
        config,
        roots=roots_of(environment, config),
        state_dir=environment.state_dir,
        retry=retry,
    )


def runs_on_ray(environment: Environment) -> bool:
    """Whether the settings ask for a Ray cluster."""
    from kinoloop.extraction.config import ExtractConfig

    return read_section("extract", ExtractConfig, environment.settings_file).runner == "ray"


@task(name="show extraction")
def show_extraction(done: ExtractSummary) -> None:
    """Leave an artifact that a person can read."""
    create_markdown_artifact(
        key="extract",
        description="What the last extraction understood, and what it could not read",
        markdown=as_markdown(done),
    )


def as_markdown(done: ExtractSummary) -> str:
    """Lay the report out as small tables."""
    report = done.extraction
    outcomes, reasons = _rows(report.outcomes), _rows(report.reasons)
    spaces = "".join(
        f"| {modality} | {report.encoders[modality]} | `{fingerprint}` "
        f"| {report.features.get(modality, 0)} | {report.missing.get(modality, 0)} |\n"
        for modality, fingerprint in report.fingerprints.items()
    )
    return (
        f"# Extraction\n\n{report.done} of {report.videos} videos were new or changed; "
        f"{report.seconds:.2f} s, {report.rate:.2f} videos per second, {report.hashed} files "
        f"hashed. {report.left_out} were left out and are tried again in the next run. "
        f"Dataset version `{done.dataset_version}`.\n\n"
        f"| media | videos |\n|---|---|\n{outcomes}\n"
        f"| what could not be read | videos |\n|---|---|\n{reasons}\n"
        "| modality | encoder | fingerprint | rows written | of them missing |\n"
        f"|---|---|---|---|---|\n{spaces}\n{_content(done.labels, done.duplicates)}"
        f"\n{_safety(done.safety)}"
    )


def _safety(safety: SafetyReport) -> str:
    """Report what is withheld, and what changed."""
    return (
        f"{safety.scored} of {safety.videos} videos were scored for harm in {safety.seconds} s; "
        f"{safety.decided} stand as a person decided (`kinoloop review log`).\n\n"
        f"| harm | videos |\n|---|---|\n{_rows(safety.standing)}\n"
        f"| changed now to | videos |\n|---|---|\n{_rows(safety.changed)}"
    )


def _content(labels: LabelReport, duplicates: DuplicatesReport) -> str:
    """Report what videos are about, how well heads learned it, and how many show the same."""
    heads = "".join(
        f"| {head.name} | {head.videos} | {head.held_out} | {head.micro_f1:.3f} / "
        f"{head.macro_f1:.3f} | {head.base_micro_f1:.3f} / {head.base_macro_f1:.3f} "
        f"| {'yes' if head.used else 'no'} |\n"
        for head in labels.heads
    )
    table = (
        "| learned from the catalogue | videos | held out | micro / macro F1 | of the base rate "
        f"| used |\n|---|---|---|---|---|---|\n{heads}\n"
    )
    return (
        f"{labels.done} of {labels.videos} videos were labelled in {labels.seconds} s; "
        f"{duplicates.compared} of {duplicates.videos} with pictures were compared in "
        f"{duplicates.seconds} s: {duplicates.grouped} videos are in {duplicates.groups} "
        f"groups that show the same.\n\n{table if heads else ''}"
        f"| label | videos labelled now |\n|---|---|\n{_rows(labels.counts)}"
    )


def _rows(counts: dict[str, int]) -> str:
    return "".join(f"| {name} | {n} |\n" for name, n in sorted(counts.items())) or "| none | 0 |\n"
