"""Labels with a start and an end: what of a video holds when, in the table `occurrences`.

Three things tell it, and nothing is decoded or encoded for it. What the pictures of a moment show.
What subtitles, or captions in the picture, say of sounds ("[door creaks]"): the words themselves
are the label, facet `sound`, with `DESCRIBED` as its probability, since a person wrote them. And
what is said or to be read, whose vectors the table `moments` holds: they are held against every
facet of the label file as the words of a whole video are. A facet of one's own,

    [event.labels]
    "door opens" = ["a door opens", "somebody opens the door"]

has its occurrences from then on. The same label in moments that follow each other within `GAP_S` is
one occurrence with the largest of their probabilities.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.tables import Tables
from kinoloop.data.upsert import upsert
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.schema import OCCURRENCES, SHOWS
from kinoloop.semantics.assemble import LazyTextEncoder
from kinoloop.semantics.channels import Channel
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.label_file import SHIPPED, read_labels
from kinoloop.semantics.nothing import says_nothing
from kinoloop.semantics.spaces import VectorSpace

CODE_VERSION = 2
BATCH = 512
SOUND = "sound"
"""Facet of sounds that subtitles describe."""

DESCRIBED = 0.9
GAP_S = 2.0
MAX_LABEL = 60

_SOUNDS = re.compile(r"[\[(（【]([^\[\]()（）【】]{2,60})[\])）】]")

Floats = NDArray[np.float32]
Row = dict[str, Any]
Found = tuple[str, str, float, float, float, str]  # facet, label, start_s, end_s, score, evidence


@dataclass(frozen=True)
class Part:
    """A part of a video, and what is known of it.

    Attributes:
        start_s: Seconds from the start of the video.
        end_s: Likewise.
        shows: Words for what its pictures show, with their probability.
        text: What is said or to be read in it; "" where nothing is.
        source: Where from: `words` or `subtitles`; `screen` where it is to be read.
        vector: (dim,) of the text, unit length; None: the text tells of sounds only.
    """

    start_s: float
    end_s: float
    shows: tuple[tuple[str, float], ...] = ()
    text: str = ""
    source: str = "words"
    vector: Floats | None = None


def update_occurrences(
    tables: Tables,
    config: SemanticsConfig,
    spaces: Mapping[str, VectorSpace],
    *,
    text: LazyTextEncoder | None = None,
) -> int:
    """Bring the table `occurrences` up to date with the table `moments`.

    Args:
        tables: The data directory, its moments described.
        config: The label file, and how sure a label must be.
        spaces: By modality; without one for text nothing is labelled.
        text: The text encoder, where it is shared.

    Returns:
        How many videos were labelled.
    """
    if "text" not in spaces:
        return 0
    labels = read_labels(Path(config.labels) if config.labels else SHIPPED)
    prints = {modality: space.fingerprint for modality, space in spaces.items()}
    identity = fingerprint(
        {"code": CODE_VERSION, "labels": labels.digest, "spaces": prints, "least": config.min_score}
    )
    todo = _missing(tables, prints["text"], identity)
    words = (text or LazyTextEncoder(spaces["text"])).channel(labels) if len(todo) else None
    if words is None:
        return 0
    for batch in todo.iter_slices(BATCH):
        made = [
            {
                "video_id": row["video_id"],
                "content_hash": row["content_hash"],
                "fingerprint": identity,
                "occurrences": occurrences(list(_parts(row)), words, least=config.min_score),
                "labelled_at": datetime.now(UTC),
            }
            for row in batch.iter_rows(named=True)
        ]
        with exclusive(tables, timeout_s=WRITER_WAIT_S):
            upsert(tables, "occurrences", pl.DataFrame(made, schema=OCCURRENCES))
    return len(todo)


def _missing(tables: Tables, space: str, identity: str) -> pl.DataFrame:
    """Return described videos without occurrences, with `moments`, `cues` and `screen`."""
    done = tables.scan("occurrences").filter(pl.col("fingerprint") == identity)
    media = (
        tables.scan("media")
        .sort("extracted_at")
        .unique("video_id", keep="last", maintain_order=True)
        .select("video_id", "cues", "screen")
    )
    return (
        tables.scan("moments")
        .filter(pl.col("fingerprint") == space)
        .select("video_id", "content_hash", "moments")
        .join(done, on=["video_id", "content_hash"], how="anti")
        .join(media, on="video_id")
        .sort("video_id")
        .collect()
    )


def _parts(video: Row) -> Iterator[Part]:
    """Parts of a row of `moments`, and the lines in which sounds may be told."""
    for one in video["moments"] or ():
        span, shows = (one["start_s"], one["end_s"]), one["shows"] or ()
        if shows:
            yield Part(*span, shows=tuple((word["word"], word["score"]) for word in shows))
        text, source = (one["says"], "words") if one["says"] else (one["reads"], "screen")
        if text and not shows:  # a vector is of all that a moment tells
            vector = np.frombuffer(one["vector"], np.float16).astype(np.float32)
            yield Part(*span, text=text, source=source, vector=vector)
    for source, lines in (("subtitles", video["cues"]), ("screen", video["screen"])):
        for line in lines or ():
            if _SOUNDS.search(line["text"]):
                end_s = max(line["end_s"], line["start_s"])
                yield Part(line["start_s"], end_s, text=line["text"], source=source)


def occurrences(parts: Sequence[Part], words: Channel, *, least: float) -> list[Row]:
    """Label the parts of one video.

    Args:
        parts: In any order.
        words: The channel that reads their vectors.
        least: Probability from which a label is given.

    Returns:
        Structs of `schema.OCCURRENCES`, in order of time.
    """
    found = [
        *(one for part in parts for one in _shown(part)),
        *(one for part in parts for one in _sounds(part)),
        *_said(parts, words, least),
    ]
    names = ("facet", "label", "start_s", "end_s", "score", "evidence")
    return [dict(zip(names, one, strict=True)) for one in _joined(found)]


def _shown(part: Part) -> Iterator[Found]:
    for word, score in part.shows:
        yield SHOWS, word, part.start_s, part.end_s, score, f"picture {score:.2f}"


def _sounds(part: Part) -> Iterator[Found]:
    for said in _SOUNDS.findall(part.text if part.vector is None else ""):
        label = " ".join(said.split()).strip(" .!?:;-–♪").lower()[:MAX_LABEL]
        if label and not says_nothing(label):
            yield SOUND, label, part.start_s, part.end_s, DESCRIBED, part.source


def _said(parts: Sequence[Part], words: Channel, least: float) -> Iterator[Found]:
    spoken = [
        (one, one.vector) for one in parts if one.vector is not None and not says_nothing(one.text)
    ]
    if not spoken:
        return
    vectors = np.stack([vector for _, vector in spoken]).astype(np.float32)
    for facet, known in words.facets.items():
        scores = known.score(vectors)
        for i, j in zip(*np.nonzero(scores >= max(least, 1e-6)), strict=True):
            part, score = spoken[i][0], float(scores[i, j])
            yield (
                facet,
                known.labels[j],
                part.start_s,
                part.end_s,
                score,
                f"{part.source} {score:.2f}",
            )


def _joined(found: Sequence[Found]) -> list[Found]:
    """Join the same label in moments that follow each other."""
    made: list[Found] = []
    for facet, label, start_s, end_s, score, evidence in sorted(found):
        last = made[-1] if made else None
        if last is not None and last[:2] == (facet, label) and start_s - last[3] <= GAP_S:
            said = evidence if score > last[4] else last[5]
            made[-1] = (facet, label, last[2], max(end_s, last[3]), max(score, last[4]), said)
        else:
            made.append((facet, label, start_s, end_s, score, evidence))
    return sorted(made, key=lambda one: (one[2], one[3], one[0], one[1]))
