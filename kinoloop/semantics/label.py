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
from typing import Any

import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.data.upsert import upsert
from kinoloop.data.video_text import OWN, texts_of
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.encoders import base as encoders
from kinoloop.encoders.base import TextEncoder
from kinoloop.encoders.efficientnet_lite import Words
from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.encoders.joint_text import JointText, has_text_tower
from kinoloop.schema import LABELS
from kinoloop.semantics import generative, inputs
from kinoloop.semantics.channels import Channel, joint_channel, words_channel
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.head_store import Heads, current_heads
from kinoloop.semantics.heads import HeadReport
from kinoloop.semantics.label_file import SHIPPED, LabelFile, read_labels
from kinoloop.semantics.rows import Labeller
from kinoloop.semantics.words import rarity, vocabulary

logger = logging.getLogger(__name__)

CODE_VERSION = 4
BATCH = 2048
RARITY_VIDEOS = 20_000
"""Videos that the rarity of words is counted on, evenly spread."""


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


@dataclass(frozen=True)
class VectorSpace:
    """One modality of the catalogue.

    Attributes:
        settings: Of its encoder, such as `{"kind": "minilm"}`.
        fingerprint: Of its vectors in the table `features`.
    """

    settings: dict[str, Any]
    fingerprint: str


def label(
    tables: Tables,
    config: SemanticsConfig,
    spaces: Mapping[str, VectorSpace],
    *,
    progress: Progress | None = None,
) -> LabelReport:
    """Bring the table `labels` up to date.

    Args:
        tables: The data directory, extracted.
        config: With what.
        spaces: By modality.
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
    text = _TextEncoder(spaces.get("text"))
    prints = {modality: space.fingerprint for modality, space in spaces.items()}
    heads = current_heads(tables, config, videos, prints, text)
    report.heads = heads.reports
    identity = _identity(config, labels, spaces, heads)
    todo = inputs.missing(tables, videos, identity)
    logger.info("%d of %d videos to label", len(todo), len(videos))
    if len(todo):
        labeller = _labeller(config, labels, spaces, heads=heads, videos=videos, text=text)
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


class _TextEncoder:
    """The text encoder, loaded when it is first needed; None where there are no text vectors."""

    def __init__(self, space: VectorSpace | None) -> None:
        self._space = space
        self._loaded: encoders.Encoder | None = None

    def __call__(self) -> TextEncoder | None:
        if self._space is None:
            return None
        if self._loaded is None:
            self._loaded = encoders.build(dict(self._space.settings))
        return self._loaded if isinstance(self._loaded, TextEncoder) else None


def _identity(
    config: SemanticsConfig, labels: LabelFile, spaces: Mapping[str, VectorSpace], heads: Heads
) -> str:
    return fingerprint(
        {
            "code": CODE_VERSION,
            "labels": labels.digest,
            "spaces": {modality: space.fingerprint for modality, space in spaces.items()},
            "heads": heads.digest,
            "min_score": config.min_score,
            "free_tags": config.free_tags,
            "generative": generative.identify(config.generative),
        }
    )


def _labeller(
    config: SemanticsConfig,
    labels: LabelFile,
    spaces: Mapping[str, VectorSpace],
    *,
    heads: Heads,
    videos: pl.DataFrame,
    text: _TextEncoder,
) -> Labeller:
    counted = texts_of(videos.gather_every(max(1, len(videos) // RARITY_VIDEOS)), OWN)
    known_tags = vocabulary(videos["tags"].to_list())
    encoder = text()
    return Labeller(
        config=config,
        facets=labels.facets,
        channels=_channels(labels, spaces, encoder),
        kinds={modality: _kind(spaces, modality) for modality in spaces},
        heads=heads,
        rare=rarity(counted),
        n_videos=len(counted),
        known_tags=known_tags,
        tag_vectors=encoder.encode_text(known_tags) if encoder and known_tags else None,
        describer=generative.PictureDescriber(config.generative)
        if config.generative.model
        else None,
        seen=Words() if _kind(spaces, "visual") == "efficientnet_lite" else None,
    )


def _kind(spaces: Mapping[str, VectorSpace], modality: str) -> str:
    return str(spaces[modality].settings["kind"]) if modality in spaces else ""


def _channels(
    labels: LabelFile, spaces: Mapping[str, VectorSpace], text: TextEncoder | None
) -> list[Channel]:
    channels = [] if text is None else [words_channel(labels.facets, text)]
    for modality in ("visual", "audio"):
        settings = spaces[modality].settings if modality in spaces else {}
        model, revision = settings.get("model"), settings.get("revision")
        if model and has_text_tower(model, revision):
            channels.append(joint_channel(labels.facets, modality, JointText(model, revision)))
    return channels


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
