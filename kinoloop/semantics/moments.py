"""What each moment of a video shows, reads and says, in words: the table `moments`.

Pictures are said in words by the classifier of the packaged picture model, one moment at a time: a
dog that runs through one shot of twenty is lost in the vector of the video and stands out here.
Words in the picture and spoken words are taken as they are, those that follow each other within
`WINDOW_S` together. The words of each moment go through the text encoder, so that a search answers
with the moment that is nearest to it.

Nothing is decoded, and no picture is encoded: all comes from what extraction left.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from kinoloop.data.moments import read_moments
from kinoloop.data.tables import Tables
from kinoloop.data.upsert import upsert
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.encoders.base import TextEncoder
from kinoloop.encoders.efficientnet_lite import Words
from kinoloop.schema import MOMENTS
from kinoloop.semantics.assemble import LazyTextEncoder
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.shown import shown
from kinoloop.semantics.spaces import VectorSpace

logger = logging.getLogger(__name__)

CODE_VERSION = 1
BATCH = 256
WINDOW_S = 10.0
"""Words within this time are one moment; a video with more than `MOST` of them gets longer ones."""

MOST = 64
"""Moments of words per video at most, and as many of pictures."""

TEXT_LIMIT = 400
"""Characters of one moment that are kept."""

Row = dict[str, Any]


def describe_moments(
    tables: Tables,
    config: SemanticsConfig,
    spaces: Mapping[str, VectorSpace],
    *,
    text: LazyTextEncoder | None = None,
) -> int:
    """Bring the table `moments` up to date; videos of which it has nothing new are left alone.

    Args:
        tables: The data directory, extracted.
        config: How sure a word must be.
        spaces: By modality; without one for text there are no moments.
        text: The text encoder, where it is shared.

    Returns:
        How many videos were described.
    """
    space, seen = spaces.get("text"), spaces.get("visual")
    if space is None:
        return 0
    sees = seen is not None and seen.settings.get("kind") == "efficientnet_lite"
    made_by = f"{CODE_VERSION} {config.min_score} {seen.fingerprint if seen and sees else ''}"
    todo = _missing(tables, space.fingerprint, made_by)
    encoder = (text or LazyTextEncoder(space))() if len(todo) else None
    if encoder is None:
        return 0
    words = Words() if sees else None
    for batch in todo.iter_slices(BATCH):
        ids = batch["video_id"].to_list()
        found = [list(_spoken(row)) for row in batch.iter_rows(named=True)]
        if words is not None and seen is not None:
            for i, row in _shown(tables, ids, seen.fingerprint, words, config.min_score):
                found[i].append(row)
        _encode(found, encoder)
        rows = [
            {
                "video_id": video_id,
                "content_hash": content,
                "fingerprint": space.fingerprint,
                "moments": sorted(moments, key=lambda one: (one["start_s"], one["end_s"])),
                "described_at": datetime.now(UTC),
            }
            for video_id, content, moments in zip(ids, batch["wanted"], found, strict=True)
        ]
        with exclusive(tables, timeout_s=WRITER_WAIT_S):
            upsert(tables, "moments", pl.DataFrame(rows, schema=MOMENTS))
    logger.info("described the moments of %d videos", len(todo))
    return len(todo)


def _missing(tables: Tables, fingerprint: str, made_by: str) -> pl.DataFrame:
    """Videos whose content is not described: `video_id`, `cues`, `screen`, `wanted` (a hash)."""
    media = (
        tables.scan("media")
        .sort("extracted_at")
        .unique("video_id", keep="last", maintain_order=True)
        .select("video_id", "content_hash", "cues", "screen")
        .collect()
    )
    wanted = [hashlib.sha256(f"{h} {made_by}".encode()).hexdigest() for h in media["content_hash"]]
    done = (
        tables.scan("moments")
        .filter(pl.col("fingerprint") == fingerprint)
        .select("video_id", wanted="content_hash")
        .collect()
    )
    media = media.with_columns(wanted=pl.Series(wanted, dtype=pl.String))
    return media.join(done, on=["video_id", "wanted"], how="anti").sort("video_id")


def _shown(
    tables: Tables, ids: Sequence[str], fingerprint: str, words: Words, min_score: float
) -> Iterator[tuple[int, Row]]:
    """Yield the position of a video and what one of its moments shows, where there is a word."""
    moments = read_moments(tables, ids, fingerprint)
    if not len(moments):
        return
    width = dict(zip(words.words, words.chance.tolist(), strict=True))
    said: dict[int, list[Row]] = {}
    for one in shown(words, moments.vectors, min_score=min_score):
        said.setdefault(one.row, []).append({"word": one.word, "score": one.score})
    for i, shows in sorted(said.items()):
        closest = sorted(shows, key=lambda one: (width[one["word"]], -one["score"]))
        yield int(moments.video[i]), _moment(moments.start_s[i], moments.end_s[i], shows=closest)


def _spoken(video: Row) -> Iterator[Row]:
    """Moments of what is said, and of what is to be read."""
    for start_s, end_s, text in _windows(video["cues"] or []):
        yield _moment(start_s, end_s, says=text)
    for start_s, end_s, text in _windows(video["screen"] or []):
        yield _moment(start_s, end_s, reads=text)


def _windows(cues: Sequence[Row]) -> list[tuple[float, float, str]]:
    """Join cues that follow each other, so that there are at most `MOST` windows."""
    window_s = WINDOW_S
    while True:
        found: list[tuple[float, float, str]] = []
        for cue in cues:
            start_s, end_s, text = cue["start_s"], max(cue["end_s"], cue["start_s"]), cue["text"]
            if found and end_s - found[-1][0] <= window_s:
                first_s, last_s, so_far = found[-1]
                found[-1] = first_s, max(last_s, end_s), f"{so_far} {text}"
            else:
                found.append((start_s, end_s, text))
        if len(found) <= MOST:
            return found
        window_s *= 2
        if window_s > 1e6:  # cues without an end
            return found[:MOST]


def _moment(
    start_s: float, end_s: float, *, shows: Sequence[Row] = (), reads: str = "", says: str = ""
) -> Row:
    return {
        "start_s": float(start_s),
        "end_s": float(end_s),
        "shows": list(shows),
        "reads": reads[:TEXT_LIMIT],
        "says": says[:TEXT_LIMIT],
        "vector": b"",
    }


def _encode(found: Sequence[Sequence[Row]], encoder: TextEncoder) -> None:
    """Fill in the vectors; what many moments say is encoded once."""
    moments = [one for row in found for one in row]
    texts = [_text(one) for one in moments]
    known = dict.fromkeys(texts)
    if not known:
        return
    vectors = encoder.encode_documents(list(known)).astype(np.float16)
    packed = dict(zip(known, (vector.tobytes() for vector in vectors), strict=True))
    for one, text in zip(moments, texts, strict=True):
        one["vector"] = packed[text]


def _text(moment: Row) -> str:
    words = ", ".join(one["word"] for one in moment["shows"])
    return " ".join(part for part in (words, moment["reads"], moment["says"]) if part)
