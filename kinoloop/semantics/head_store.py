"""Heads between runs: learned again only when the catalogue has a fifth more to learn from.

They lie beside the tables, in `data/heads/`, so the dataset version covers them: JSON for names and
figures, safetensors for weights. Titles, descriptions and subtitles are encoded once more without
category and tags for learning: a head that reads the answer in the question learns nothing.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from kinoloop import durable
from kinoloop.data.tables import Tables
from kinoloop.data.video_text import OWN, texts_of
from kinoloop.encoders.base import TextEncoder
from kinoloop.encoders.fingerprint import digest_files, fingerprint
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.heads import (
    MAX_TRAINING,
    Head,
    HeadReport,
    learn_category,
    learn_tags,
)
from kinoloop.semantics.inputs import read_vectors, without_empty_words

logger = logging.getLogger(__name__)

GROWTH = 1.2
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class LearnedLabel:
    """What heads say of some videos about one label.

    Attributes:
        facet: Of the label.
        label: Its name.
        scores: (n,) float32, its probability for each video.
    """

    facet: str
    label: str
    scores: Floats


@dataclass(frozen=True)
class Heads:
    """What was learned.

    Attributes:
        learned: Facet and head, of those that beat the base rate.
        reports: Of all that were tried.
        modalities: Whose vectors are joined, in order, with their lengths.
        digest: Of all of it; "" without heads.
    """

    learned: list[tuple[str, Head]] = field(default_factory=list)
    reports: list[HeadReport] = field(default_factory=list)
    modalities: dict[str, int] = field(default_factory=dict)
    digest: str = ""

    def score(self, vectors: Mapping[str, Floats], n: int) -> Iterator[LearnedLabel]:
        """Yield each label with its probability for each of n videos."""
        joined = fuse(vectors, self.modalities, n) if self.learned else np.zeros((n, 0), np.float32)
        for facet, head in self.learned:
            scores = head.score(joined) * joined.any(axis=1, keepdims=True)
            for label, column in zip(head.classes, scores.T, strict=True):
                yield LearnedLabel(facet, label, column)


def fuse(vectors: Mapping[str, Floats], modalities: Mapping[str, int], n: int) -> Floats:
    """Join the vectors of a video one after the other; zeros where it lacks a modality."""
    parts = [vectors.get(m, np.zeros((n, dim), np.float32)) for m, dim in modalities.items()]
    return np.concatenate(parts, axis=1) if parts else np.zeros((n, 0), np.float32)


def current_heads(
    tables: Tables,
    config: SemanticsConfig,
    videos: pl.DataFrame,
    fingerprints: Mapping[str, str],
    text: Callable[[], TextEncoder | None],
) -> Heads:
    """Return the heads in force: those of before, or new ones where there is more to learn from.

    Args:
        tables: The data directory.
        config: Whether heads are wanted, and how much they need.
        videos: From `read_videos`.
        fingerprints: Of the vectors, by modality.
        text: Gives the text encoder.
    """
    taught = videos.filter(pl.col("category").is_not_null() | (pl.col("tags").list.len() > 0))
    if not config.heads or len(taught) < config.head_min_videos:
        return Heads()
    settings = {"min_videos": config.head_min_videos, "min_class": config.head_min_class}
    key = fingerprint({"spaces": dict(fingerprints), **settings})
    folder = tables.root / "heads"
    known = _read(folder, key)
    if known is not None and len(taught) < GROWTH * known[1]:
        return known[0]
    logger.info("learning from %d videos that have a category or tags", len(taught))
    chosen = taught.sort("seen")[:MAX_TRAINING].sort("video_id")  # a sample, always the same
    heads = _learn(tables, chosen, fingerprints, text(), settings)
    _write(folder, key, heads, taught=len(taught))
    found = _read(folder, key)
    assert found is not None
    return found[0]


def _learn(
    tables: Tables,
    taught: pl.DataFrame,
    fingerprints: Mapping[str, str],
    text: TextEncoder | None,
    settings: Mapping[str, int],
) -> Heads:
    ids = taught["video_id"].to_list()
    vectors = read_vectors(tables, ids, fingerprints)
    if text is not None:
        own = texts_of(taught, OWN)
        vectors = without_empty_words({**vectors, "text": text.encode_documents(own)}, own)
    modalities = {name: matrix.shape[1] for name, matrix in sorted(vectors.items())}
    joined = fuse(vectors, modalities, len(ids))
    category = learn_category(ids, joined, taught["category"].to_list(), **settings)
    tags = learn_tags(ids, joined, taught["tags"].to_list(), **settings)
    tried = ([("category", category)] if category else []) + [("tag", one) for one in tags]
    return Heads(
        learned=[(facet, head) for facet, (head, report) in tried if report.used],
        reports=[report for _, (_, report) in tried],
        modalities=modalities,
    )


def _write(folder: Path, key: str, heads: Heads, *, taught: int) -> None:
    arrays = {}
    for i, (_, head) in enumerate(heads.learned):
        arrays[f"{i}.weights"], arrays[f"{i}.bias"] = head.weights, head.bias
    with durable.appearing(folder / "heads.safetensors") as fresh:
        save_file(arrays, fresh)
    document = {
        "key": key,
        "taught": taught,
        "weights": digest_files([folder / "heads.safetensors"])[0],
        "modalities": heads.modalities,
        "learned": [[facet, list(head.classes)] for facet, head in heads.learned],
        "reports": [asdict(report) for report in heads.reports],
    }
    durable.write_json(folder / "heads.json", document)


def _read(folder: Path, key: str) -> tuple[Heads, int] | None:
    """Read the stored heads and how many videos taught them; None where this key has none.

    Names and weights are two files: where they do not belong together, the heads are learned again.
    """
    try:
        document = json.loads((folder / "heads.json").read_text(encoding="utf-8"))
        arrays = load_file(folder / "heads.safetensors")
    except (OSError, ValueError):
        return None
    weights = digest_files([folder / "heads.safetensors"])[0]
    if document["key"] != key or document.get("weights") != weights:
        return None
    learned = [
        (facet, Head(tuple(classes), arrays[f"{i}.weights"], arrays[f"{i}.bias"]))
        for i, (facet, classes) in enumerate(document["learned"])
    ]
    reports = [HeadReport(**report) for report in document["reports"]]
    digest = fingerprint({"weights": weights, "learned": document["learned"]})
    return Heads(learned, reports, document["modalities"], digest), document["taught"]
