"""Score the catalogue for harm: read what is missing, write the table `safety`.

A video is scored once for what it says and shows and how scores are made. Of each source the
highest score counts; of a long one, a higher one of many, so that two hours of dialogue are not
harmful for a single odd line: of n passages the (1 + n / 20)-th highest, of n pictures the second.
Comments are others' words and never speak for more than one in their share: they mark a video and
take nothing away, or a few strangers could remove whatever they like.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.tables import Tables
from kinoloop.data.upsert import upsert
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.errors import MissingPackageError
from kinoloop.safety.config import SafetyConfig
from kinoloop.safety.passages import Passage, passages
from kinoloop.safety.words import Lines, WordsHarm
from kinoloop.schema import SAFETY

logger = logging.getLogger(__name__)

CODE_VERSION = 2
BATCH = 512
PER_RANK = 20
LEAST = 0.2
"""Lower scores are not kept."""

QUOTED = 120
"""Characters of a passage that its evidence quotes; comments are not quoted."""

PICTURES = "sexual"
"""The kind of harm that the picture model knows."""

READ = ("video_id", "title", "tags", "description", "words", "cues", "screen", "scores", "times_s")
Row = dict[str, Any]


def score_missing(tables: Tables, config: SafetyConfig, lines: Lines) -> int:
    """Bring the table `safety` up to date.

    Returns:
        How many videos were scored now.
    """
    model: WordsHarm | None = WordsHarm(lines)
    try:
        words = model.fingerprint if model else ""
    except MissingPackageError as err:
        logger.warning("no words are scored for harm: %s", err)
        model, words = None, ""
    videos = _read(tables, config.comments)
    identity = fingerprint({"code": CODE_VERSION, "words": words})
    done = (
        tables.scan("safety")
        .filter(pl.col("fingerprint") == identity)
        .select("video_id", seen="content_hash")
        .collect()
    )
    missing = videos.join(done, on=["video_id", "seen"], how="anti").sort("video_id")
    logger.info("%d of %d videos to score for harm", len(missing), len(videos))
    for batch in missing.iter_slices(BATCH):
        rows = [
            {
                "video_id": video["video_id"],
                "content_hash": video["seen"],
                "fingerprint": identity,
                "scores": scores,
                "scored_at": datetime.now(UTC),
            }
            for video, scores in zip(
                batch.iter_rows(named=True), _score(batch.to_dicts(), model, lines), strict=True
            )
        ]
        with exclusive(tables, timeout_s=WRITER_WAIT_S):
            upsert(tables, "safety", pl.DataFrame(rows, schema=SAFETY))
    return len(missing)


def _read(tables: Tables, n_comments: int) -> pl.DataFrame:
    """Words, scored pictures and comments of every video, and `seen`, a hash of them."""
    media = tables.scan("media").sort("extracted_at").unique("video_id", keep="last")
    pictures = tables.scan("picture_harm").sort("extracted_at").unique("video_id", keep="last")
    said = (
        tables.scan("events")
        .filter((pl.col("event") == "comment") & (pl.col("text").str.strip_chars() != ""))
        .sort("timestamp", "event_id", descending=True)
        .group_by("video_id", maintain_order=True)
        .agg(comments=pl.col("text").head(n_comments))
    )
    videos = (
        tables.scan("videos")
        .select("video_id", "title", "tags", "description")
        .join(media.select("video_id", "words", "cues", "screen"), on="video_id", how="left")
        .join(pictures.select("video_id", "scores", "times_s"), on="video_id", how="left")
        .join(said, on="video_id", how="left")
        .select(*READ, "comments")
        .sort("video_id")
        .collect()
    )
    hashes = [
        hashlib.sha256(json.dumps(row, ensure_ascii=False).encode()).hexdigest()
        for row in videos.iter_rows(named=True)
    ]
    return videos.with_columns(seen=pl.Series(hashes, dtype=pl.String))


def _score(videos: Sequence[Row], model: WordsHarm | None, lines: Lines) -> list[list[Row]]:
    cut = [passages(video, video["comments"] or ()) if model else [] for video in videos]
    flat = [passage.text for found in cut for passage in found]
    scores = model.score(flat) if model else np.zeros((0, len(lines.kinds)), dtype=np.float32)
    ends = np.cumsum([len(found) for found in cut])
    return [
        [*_of_words(found, part, lines.kinds), *_of_pictures(video)]
        for video, found, part in zip(videos, cut, np.split(scores, ends[:-1]), strict=True)
    ]


def _of_words(
    found: Sequence[Passage], scores: NDArray[np.float32], kinds: Sequence[str]
) -> list[Row]:
    rows = []
    for source in dict.fromkeys(passage.source for passage in found):
        here = [i for i, passage in enumerate(found) if passage.source == source]
        rank = len(here) // PER_RANK
        for column, kind in enumerate(kinds):
            best = sorted(here, key=lambda i: -scores[i, column])[rank]
            score = float(scores[best, column])
            if score >= LEAST:
                rows.append(_entry(kind, score, found[best], n=len(here)))
    return rows


def _entry(kind: str, score: float, passage: Passage, *, n: int) -> Row:
    if passage.source == "comments":
        evidence = f"one of the newest {n} comments"
    else:
        evidence = passage.text[:QUOTED]
    facts: Mapping[str, Any] = {"source": passage.source, "evidence": evidence}
    return {"kind": kind, "score": score, **facts, "start_s": passage.start_s}


def _of_pictures(video: Row) -> list[Row]:
    scores = video["scores"] or ()
    if not scores:
        return []
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    best = order[min(1, len(order) - 1)] if len(order) > 2 else order[0]
    if scores[best] < LEAST:
        return []
    evidence = f"{sum(s >= scores[best] for s in scores)} of {len(scores)} pictures"
    facts = {"source": "picture", "evidence": evidence, "start_s": video["times_s"][order[0]]}
    return [{"kind": PICTURES, "score": float(scores[best]), **facts}]
