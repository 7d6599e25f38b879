"""`kinoloop extract` and `kinoloop probe`: understand videos, and see how a file decodes."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(extract)
    app.command()(probe)


def extract(
    retry: bool = typer.Option(
        False, "--retry", help="Decode again what timed out, ran out of memory or crashed."
    ),
) -> None:
    """Decode new videos and encode what the features table misses; safe to stop and to repeat."""
    logging.getLogger("kinoloop.extraction").setLevel(logging.INFO)
    from cli.backends import connect

    connect()
    from flows.extract import extract as flow

    report: dict[str, Any] = flow(retry=retry)
    table = Table("modality", "encoder", "fingerprint", "rows written", "of them missing")
    for modality, fingerprint in report["fingerprints"].items():
        table.add_row(
            modality,
            report["encoders"][modality],
            fingerprint[:12],
            str(report["features"].get(modality, 0)),
            str(report["missing"].get(modality, 0)),
        )
    console = Console()
    console.print(table)
    for title, key in (("media", "outcomes"), ("not read", "reasons")):
        counts = ", ".join(f"{n} {name}" for name, n in sorted(report[key].items()))
        console.print(f"{title}: {counts or 'none'}")
    console.print(
        f"{report['done']} of {report['videos']} videos in {report['seconds']} s; "
        f"dataset version {report['dataset_version']}"
    )


def probe(
    paths: list[Path] = typer.Argument(help="Media files; a folder stands for its files."),
) -> None:
    """Decode files as extraction would, and print one JSON line each; nothing is written."""
    from kinoloop.environment import Environment
    from kinoloop.errors import MediaError
    from kinoloop.extraction.config import ExtractConfig
    from kinoloop.media.guard import DecoderPool, Job
    from kinoloop.settings import read_section

    config = read_section("extract", ExtractConfig, Environment().settings_file)
    files = [
        file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])
    ]
    with DecoderPool(config.decode, config.guard) as pool:
        for file in files:
            started = time.monotonic()
            line: dict[str, Any] = {"path": str(file)}
            try:
                found = pool.decode(Job(file.absolute()))
            except MediaError as err:
                line |= {"outcome": "quarantined", "reason": err.reason, "detail": err.detail}
            else:
                line |= {
                    "outcome": "partial" if found.reason else "ok",
                    "reason": found.reason,
                    "detail": found.detail,
                    "duration_s": round(found.duration_s, 3),
                    "streams": list(found.streams),
                    "width": found.width,
                    "height": found.height,
                    "frames": len(found.frames),
                    "sound_s": round(len(found.audio) / found.sample_rate, 3),
                    "cues": found.cues,
                    "peak_memory_mb": round(found.peak_memory_mb, 1),
                }
            line["seconds"] = round(time.monotonic() - started, 3)
            typer.echo(json.dumps(line, ensure_ascii=False))
