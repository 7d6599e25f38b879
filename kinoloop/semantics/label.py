"""Label the catalogue: read what is missing, score every facet, write the table `labels`.

Nothing is decoded: labels come from vectors, words and thumbnails that extraction left. A video is
labelled once for what it holds and how labels are made; a changed label file, encoder, head or
model labels all of them again, which costs a matrix product per batch.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.data.upsert import upsert
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.schema import LABELS
from kinoloop.semantics import generative, inputs
from kinoloop.semantics.answers import read_answers
from kinoloop.semantics.assemble import LazyTextEncoder, make_labeller, with_answers
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.head_store import Heads, current_heads
from kinoloop.semantics.heads import HeadReport
from kinoloop.semantics.label_file import SHIPPED, LabelFile, read_labels
from kinoloop.semantics.rows import Labeller
from kinoloop.semantics.spaces import VectorSpace

logger = logging.getLogger(__name__)

CODE_VERSION = 5
BATCH = 2048

Progress = Callable[[int, int], None]


@dataclass
class LabelReport:
    """What one labelling did.

    Attributes:
        videos: In the catalogue.
        done: Labelled now.
        seconds: It took.
        counts: Videos labelled now by `facet: label`.
        heads: How each head did on held-out videos, and whether it is used.
    """

    videos: int = 0
    done: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    heads: list[HeadReport] = field(default_factory=list)


def label(
    tables: Tables,
    config: SemanticsConfig,
    spaces: Mapping[str, VectorSpace],
    *,
    text: LazyTextEncoder | None = None,
    progress: Progress | None = None,
) -> LabelReport:
    """Bring the table `labels` up to date.

    Args:
        tables: The data directory, extracted.
        config: With what.
        spaces: By modality.
        text: The text encoder, where it is shared.
        progress: Called with (videos done, videos to do).

    Returns:
        What was done.

    Raises:
        ConfigError: The label file or a model cannot be read.
    """
    started = time.monotonic()
    labels = read_labels(Path(config.labels) if config.labels else SHIPPED)
    videos = inputs.read_videos(tables)
    report = LabelReport(videos=len(videos))
    text = text or LazyTextEncoder(spaces.get("text"))
    prints = {modality: space.fingerprint for modality, space in spaces.items()}
    heads = current_heads(tables, config, videos, prints, text)
    report.heads = heads.reports
    answers = read_answers(tables)
    if len(answers):
        plain = make_labeller(config, labels, spaces, heads=heads, videos=videos, text=text)
        labeller = with_answers(tables, plain, answers, prints)
        report.heads = [*heads.reports, *labeller.answered.reports]
        answered = labeller.answered.digest
    else:
        labeller = None
        answered = ""
    identity = _identity(config, labels, spaces, heads, answered)
    todo = inputs.missing(tables, videos, identity)
    logger.info("%d of %d videos to label", len(todo), len(videos))
    if len(todo):
        if labeller is None:
            labeller = make_labeller(config, labels, spaces, heads=heads, videos=videos, text=text)
        for start in range(0, len(todo), BATCH):
            rows = _rows(tables, labeller, todo[start : start + BATCH], spaces, identity)
            with exclusive(tables, timeout_s=WRITER_WAIT_S):
                upsert(tables, "labels", rows)
            report.done += len(rows)
            _count(report, rows)
            if progress is not None:
                progress(report.done, len(todo))
    report.seconds = round(time.monotonic() - started, 2)
    return report


def _identity(
    config: SemanticsConfig,
    labels: LabelFile,
    spaces: Mapping[str, VectorSpace],
    heads: Heads,
    answered: str,
) -> str:
    return fingerprint(
        {
            "code": CODE_VERSION,
            "labels": labels.digest,
            "spaces": {modality: space.fingerprint for modality, space in spaces.items()},
            "heads": heads.digest,
            "answered": answered,
            "min_score": config.min_score,
            "free_tags": config.free_tags,
            "generative": generative.identify(config.generative),
        }
    )


def _rows(
    tables: Tables,
    labeller: Labeller,
    videos: pl.DataFrame,
    spaces: Mapping[str, VectorSpace],
    identity: str,
) -> pl.DataFrame:
    ids = videos["video_id"].to_list()
    prints = {modality: space.fingerprint for modality, space in spaces.items()}
    vectors = inputs.read_vectors(tables, ids, prints)
    pictures = inputs.read_thumbnails(tables, ids) if labeller.describer is not None else {}
    made = labeller.label(videos.to_dicts(), vectors, pictures)
    rows = [
        {**row, "content_hash": seen, "fingerprint": identity, "labelled_at": datetime.now(UTC)}
        for row, seen in zip(made, videos["seen"], strict=True)
    ]
    return pl.DataFrame(rows, schema=LABELS)


def _count(report: LabelReport, rows: pl.DataFrame) -> None:
    given = rows.select(pl.col("labels").explode(empty_as_null=False)).unnest("labels")
    counts = given.group_by("facet", "label").len().sort("facet", "len", descending=[False, True])
    for facet, name, n in counts.iter_rows():
        key = f"{facet}: {name}"
        report.counts[key] = report.counts.get(key, 0) + n
