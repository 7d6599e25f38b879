"""The sample as tables, described by one set of encoders or another, made once and kept."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import exclusive
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Roots
from kinoloop.extraction.run import extract
from kinoloop.ingestion.commit import commit
from kinoloop.ingestion.landing import look, open_landing
from kinoloop.ingestion.rule import IngestConfig
from kinoloop.ingestion.staging import stage_batch
from kinoloop.privacy.pseudonyms import Pseudonyms

SAMPLE = Path("data/sample")
PSEUDONYMS = Pseudonyms(b"s" * 32)
ENCODERS: Mapping[str, list[dict[str, Any]]] = {
    "classical": [
        {"kind": "minilm"},
        {"kind": "classical_visual"},
        {"kind": "classical_audio"},
    ],
    "packaged": [{"kind": "minilm"}, {"kind": "efficientnet_lite"}, {"kind": "classical_audio"}],
}


def ingested(sample: Path, folder: Path) -> Tables:
    """Ingest the batches of the sample, pseudonyms and rules included."""
    tables = Tables(folder / "data")
    for batch in sorted((sample / "batches").iterdir()):
        with exclusive(tables):
            staged = stage_batch(
                open_landing(str(batch))[0],
                look(str(batch), tables).new,
                tables,
                pseudonyms=PSEUDONYMS,
                config=IngestConfig(),
                directory=tables.workspace / "staging" / "batch",
                now=datetime.now(UTC),
                any_volume=True,
            )
            commit(staged, tables, now=datetime.now(UTC))
    return tables


def described(sample: Path, folder: Path, encoders: str) -> Tables:
    """Ingest and extract the sample, unless `folder` holds it from an earlier call."""
    tables = Tables(folder / encoders / "data")
    if tables.path("features").exists():
        return tables
    if not tables.path("videos").exists():
        ingested(sample, folder / encoders)
    config = ExtractConfig.model_validate({"encoders": ENCODERS[encoders], "harm_frames": 0})
    roots = Roots((sample.resolve(),), here=Path.cwd())
    report = extract(tables, config, roots=roots, state_dir=folder / encoders / "state")
    print(f"{encoders}: {report.to_dict()}", flush=True)
    return tables
