"""`kinoloop extract` and `kinoloop probe`: understand videos, and see how a file decodes."""

import json
import logging
import math
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from kinoloop.cli.tables import show

WALL_PER_CPU = 10
"""A busy machine takes longer for the same work."""


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(extract)
    app.command()(probe)
    app.command()(prune)


def extract(
    retry: bool = typer.Option(
        False, "--retry", help="Decode again what timed out, ran out of memory or crashed."
    ),
) -> None:
    """Decode new videos and encode what the features table misses; safe to stop and to repeat."""
    logging.getLogger("kinoloop.extraction").setLevel(logging.INFO)
    from kinoloop.cli.own_prefect import connected

    with connected():
        from flows.extract import extract as flow

    done = flow(retry=retry)
    report, labels, duplicates = done.extraction, done.labels, done.duplicates
    console = Console()
    show(
        console,
        ["modality", "encoder", "fingerprint", "rows written", "of them missing"],
        [
            [
                modality,
                escape(report.encoders[modality]),
                fingerprint[:12],
                f"{report.features.get(modality, 0)}",
                f"{report.missing.get(modality, 0)}",
            ]
            for modality, fingerprint in report.fingerprints.items()
        ],
        words=(0, 1),
    )
    for title, counted in (("media", report.outcomes), ("not read", report.reasons)):
        counts = ", ".join(f"{n} {name}" for name, n in sorted(counted.items()))
        console.print(f"{title}: {counts or 'none'}")
    if report.left_out:
        console.print(
            f"{report.left_out} videos were left out: a server, a disk or this machine was too "
            "slow or away; the next run tries again",
            soft_wrap=True,
        )
    console.print(
        f"labelled {labels.done} videos; {duplicates.grouped} videos in "
        f"{duplicates.groups} groups of duplicates"
    )
    console.print(
        f"{report.done} of {report.videos} videos in {report.seconds:.2f} s; "
        f"dataset version {done.dataset_version}"
    )


def prune() -> None:
    """Remove vectors and local copies of releases that nothing in use needs."""
    from kinoloop.cli.own_prefect import connected

    with connected():
        from flows.prune import prune as flow

    done = flow()
    console = Console()
    for fingerprint, rows in done.deleted.items():
        console.print(f"{rows:>9,} vectors of {fingerprint}", highlight=False)
    if done.releases:
        console.print(f"{done.releases:>9,} local copies of releases")
    if not (done.deleted or done.releases):
        console.print("Nothing to remove: every vector and every release is in use.")
    console.print(f"dataset version {done.dataset_version}", soft_wrap=True)


def probe(
    paths: list[Path] = typer.Argument(help="Files, media or subtitles; a folder: all in it."),
    timeout_s: float | None = typer.Option(
        None, min=0.1, help="CPU time per file, and how long it may hang; wall time 10 times it."
    ),
    memory_mb: int | None = typer.Option(None, min=256, help="Address space of a worker."),
) -> None:
    """Read files as extraction would, and print one JSON line each; nothing is written.

    Limits are those of section `extract.guard` unless options say otherwise.
    """
    from kinoloop.environment import Environment
    from kinoloop.extraction.config import ExtractConfig
    from kinoloop.media.guard import DecoderPool
    from kinoloop.media.probe import list_files, probe_all
    from kinoloop.settings import read_section

    config = read_section("extract", ExtractConfig, Environment().settings_file)
    limits: dict[str, Any] = {}
    if timeout_s is not None:
        limits |= {
            "cpu_s": math.ceil(timeout_s),
            "stuck_s": timeout_s,
            "timeout_s": WALL_PER_CPU * timeout_s,
        }
    if memory_mb is not None:
        limits["memory_bytes"] = memory_mb << 20
    with DecoderPool(config.decode, config.guard.model_copy(update=limits)) as pool:
        for found in probe_all(pool, list_files(paths)):
            line = json.dumps(found.to_dict(), ensure_ascii=False)
            # a name that is not text in any encoding is written in escapes
            typer.echo(line if _is_text(line) else json.dumps(found.to_dict()))


def _is_text(line: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in line)
