"""Turn what was decoded and encoded into rows of the tables."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders.base import Encoder
from kinoloop.errors import MediaError
from kinoloop.extraction.inventory import Item, compose
from kinoloop.extraction.pending import Space, Task
from kinoloop.extraction.store import now
from kinoloop.media.content import VideoContent
from kinoloop.media.decoded import DecodeConfig, DecodedMedia, nothing

logger = logging.getLogger(__name__)

Row = dict[str, Any]
Vectors = tuple[NDArray[np.float32], NDArray[np.bool_]]


@dataclass(frozen=True)
class Decoded:
    """What decoding gave.

    Attributes:
        found: What could be read; where the media failed, the words of its subtitle file.
        error: Why the media failed; None where it did not.
    """

    found: DecodedMedia
    error: MediaError | None

    @property
    def outcome(self) -> str:
        """`ok`, `partial` or `quarantined`."""
        if self.error is not None:
            return "quarantined"
        return "partial" if self.found.reason else "ok"

    @property
    def reason(self) -> str:
        """Code of what went wrong, "" where nothing did."""
        return self.error.reason if self.error is not None else self.found.reason


def media_row(item: Item, decoded: Decoded) -> Row:
    """The row of table `media`."""
    found = decoded.found
    return {
        "video_id": item.video_id,
        "content_hash": item.content_hash,
        "outcome": decoded.outcome,
        "reason": decoded.reason,
        "duration_s": found.duration_s,
        "width": found.width,
        "height": found.height,
        "frames": len(found.frames),
        "audio_s": len(found.audio) / found.sample_rate,
        "words": found.words,
        "thumbnail": found.thumbnail or None,
        "extracted_at": now(),
    }


def quarantine_row(item: Item, reasons: list[str]) -> Row:
    """The row of table `quarantine`; the content hash keeps a second run from adding it again."""
    reference = {"media": item.media, "subtitles": item.subtitles, "content": item.content_hash}
    return {
        "kind": "media",
        "key": item.video_id,
        "reasons": reasons,
        "row": json.dumps(reference, ensure_ascii=False),
        "file": item.media or item.subtitles or "",
        "batch_id": "",
        "quarantined_at": now(),
    }


def feature_rows(
    pairs: Sequence[tuple[Task, Decoded | None]], spaces: Sequence[Space]
) -> tuple[list[Row], list[tuple[Item, str]]]:
    """Encode a shard.

    Args:
        pairs: Tasks with what was decoded for them; None where nothing had to be.
        spaces: All vector spaces.

    Returns:
        Rows of table `features`, and the videos that an encoder could not take, each with why.
    """
    rows: list[Row] = []
    faults: list[tuple[Item, str]] = []
    contents = [_content(task, decoded) for task, decoded in pairs]
    for position, space in enumerate(spaces):
        wanted = [i for i, (task, _) in enumerate(pairs) if position in task.spaces]
        if not wanted:
            continue
        vectors, present, failed = encode_safely(space.encoder, [contents[i] for i in wanted])
        for i, vector, there in zip(wanted, vectors, present, strict=True):
            item = pairs[i][0].item
            rows.append(_feature_row(item, space, vector if there else None))
        faults += [(pairs[wanted[i]][0].item, why) for i, why in failed.items()]
    return rows, faults


def encode_safely(
    encoder: Encoder, contents: Sequence[VideoContent]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], dict[int, str]]:
    """Encode a batch; where that fails, one by one, so that one odd video harms no other.

    Returns:
        Vectors, the mask, and why by position for those that failed; these are missing.
    """
    try:
        return *_checked(encoder, contents), {}
    except (ValueError, RuntimeError, IndexError, ZeroDivisionError, FloatingPointError) as err:
        logger.warning("encoding %d videos failed (%s); trying one by one", len(contents), err)
    vectors = np.zeros((len(contents), encoder.dim), dtype=np.float32)
    present = np.zeros(len(contents), dtype=np.bool_)
    failed = {}
    for i, content in enumerate(contents):
        try:
            (vectors[i],), (present[i],) = _checked(encoder, [content])
        except (ValueError, RuntimeError, IndexError, ZeroDivisionError, FloatingPointError) as err:
            failed[i] = f"encoder_failed: {type(encoder).__name__}: {err}"
    if len(failed) == len(contents) > 1:
        raise RuntimeError(f"every video of a shard fails: {failed[0]}")
    return vectors, present, failed


def _checked(encoder: Encoder, contents: Sequence[VideoContent]) -> Vectors:
    vectors, present = encoder.encode(contents)
    if not np.isfinite(vectors).all():
        raise ValueError("a vector has values that are not finite")
    return vectors, present


def _content(task: Task, decoded: Decoded | None) -> VideoContent:
    found = decoded.found if decoded is not None else nothing(DecodeConfig())
    words = task.words if task.words is not None else found.words
    return VideoContent(
        video_id=task.item.video_id,
        text=compose(task.item.text, words),
        frames=found.frames,
        frame_times_s=found.frame_times_s,
        audio=found.audio,
        sample_rate=found.sample_rate,
    )


def _feature_row(item: Item, space: Space, vector: NDArray[np.float32] | None) -> Row:
    return {
        "video_id": item.video_id,
        "content_hash": space.hash_of(item),
        "modality": space.modality,
        "fingerprint": space.fingerprint,
        "present": vector is not None,
        "vector": None if vector is None else vector,
        "extracted_at": now(),
    }
