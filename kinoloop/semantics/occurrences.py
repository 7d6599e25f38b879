"""Labels with a start and an end: what of a video holds when, in the table `occurrences`.

Three things tell it, all of them left by extraction, so nothing is decoded. What the
pictures of a moment show. What subtitles say of sounds ("[door creaks]"): the words themselves
are the label, facet `sound`, with `DESCRIBED` as its probability, since a person wrote them. And
what is said or to be read, which is held against every facet of the label file as the words of a
whole video are: a facet of one's own,

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

from kinoloop.data.moments import read_moments
from kinoloop.data.tables import Tables
from kinoloop.data.upsert import upsert
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.encoders.base import TextEncoder
from kinoloop.encoders.efficientnet_lite import Words
from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.schema import OCCURRENCES, SHOWS
from kinoloop.semantics.assemble import LazyTextEncoder
from kinoloop.semantics.channels import Channel, words_channel
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.label_file import SHIPPED, read_labels
from kinoloop.semantics.nothing import says_nothing
from kinoloop.semantics.shown import shown
from kinoloop.semantics.spaces import VectorSpace

CODE_VERSION = 1
BATCH = 512
SOUND = "sound"
"""Facet of sounds that subtitles describe."""

DESCRIBED = 0.9
GAP_S = 2.0
MAX_LABEL = 60
WINDOW_S = 10.0
MOST = 64
"""Parts with words per video, about."""

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
        says: What is said in it; "" where nothing is.
        vector: (dim,) of `says`, unit length; None where nothing is said.
    """

    start_s: float
    end_s: float
    shows: tuple[tuple[str, float], ...] = ()
    says: str = ""
    vector: Floats | None = None


def update_occurrences(
    tables: Tables, config: SemanticsConfig, spaces: Mapping[str, VectorSpace]
) -> int:
    """Bring the table `occurrences` up to date with what extraction found.

    Args:
        tables: The data directory, extracted.
        config: The label file, and how sure a label must be.
        spaces: By modality; without one for text nothing is labelled.

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
    done = tables.scan("occurrences").filter(pl.col("fingerprint") == identity)
    todo = (
        tables.scan("media")
        .sort("extracted_at")
        .unique("video_id", keep="last", maintain_order=True)
        .join(done, on=["video_id", "content_hash"], how="anti")
        .select("video_id", "content_hash", "cues")
        .sort("video_id")
        .collect()
    )
    encoder = LazyTextEncoder(spaces["text"])() if len(todo) else None
    if encoder is None:
        return 0
    words = words_channel(labels.facets, encoder)
    sees = "visual" in spaces and spaces["visual"].settings["kind"] == "efficientnet_lite"
    seen = Words() if sees else None
    for batch in todo.iter_slices(BATCH):
        found = [_spoken(cues, encoder) for cues in batch["cues"].to_list()]
        if seen is not None:
            ids = batch["video_id"].to_list()
            for video, part in _pictures(tables, ids, prints["visual"], seen, config.min_score):
                found[video].append(part)
        rows = [
            (video_id, content, identity, occurrences(parts, words, least=config.min_score))
            for (video_id, content), parts in zip(
                batch.select("video_id", "content_hash").iter_rows(), found, strict=True
            )
        ]
        names = tuple(OCCURRENCES)[:4]
        made = [
            dict(zip(names, row, strict=True)) | {"labelled_at": datetime.now(UTC)} for row in rows
        ]
        with exclusive(tables, timeout_s=WRITER_WAIT_S):
            upsert(tables, "occurrences", pl.DataFrame(made, schema=OCCURRENCES))
    return len(todo)


def _spoken(cues: Sequence[Row] | None, encoder: TextEncoder) -> list[Part]:
    """Parts of at most `WINDOW_S` with what is said in them; longer ones in long videos."""
    spans: list[tuple[float, float, str]] = []
    last_s = max((cue["end_s"] for cue in cues or ()), default=0.0)
    window_s = max(WINDOW_S, last_s / MOST)
    for cue in cues or ():
        start_s, end_s = cue["start_s"], max(cue["end_s"], cue["start_s"])
        if spans and end_s - spans[-1][0] <= window_s:
            spans[-1] = spans[-1][0], max(end_s, spans[-1][1]), f"{spans[-1][2]} {cue['text']}"
        else:
            spans.append((start_s, end_s, cue["text"]))
    if not spans:
        return []
    vectors = encoder.encode_documents([says for *_, says in spans])
    return [
        Part(start_s, end_s, says=says, vector=vector)
        for (start_s, end_s, says), vector in zip(spans, vectors, strict=True)
    ]


def _pictures(
    tables: Tables, ids: Sequence[str], space: str, seen: Words, least: float
) -> Iterator[tuple[int, Part]]:
    """Position of a video, and a part of it that shows something."""
    moments = read_moments(tables, ids, space)
    if not len(moments):
        return
    shows: dict[int, list[tuple[str, float]]] = {}
    for one in shown(seen, moments.vectors, min_score=least):
        shows.setdefault(one.row, []).append((one.word, one.score))
    for i, listed in sorted(shows.items()):
        span = float(moments.start_s[i]), float(moments.end_s[i])
        yield int(moments.video[i]), Part(*span, shows=tuple(listed))


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
    for said in _SOUNDS.findall(part.says):
        label = " ".join(said.split()).strip(" .!?:;-–♪").lower()[:MAX_LABEL]
        if label and not says_nothing(label):
            yield SOUND, label, part.start_s, part.end_s, DESCRIBED, "subtitles"


def _said(parts: Sequence[Part], words: Channel, least: float) -> Iterator[Found]:
    spoken = [
        (one, one.vector) for one in parts if one.vector is not None and not says_nothing(one.says)
    ]
    if not spoken:
        return
    vectors = np.stack([vector for _, vector in spoken]).astype(np.float32)
    for facet, known in words.facets.items():
        scores = known.score(vectors)
        for i, j in zip(*np.nonzero(scores >= max(least, 1e-6)), strict=True):
            part, score = spoken[i][0], float(scores[i, j])
            yield facet, known.labels[j], part.start_s, part.end_s, score, f"words {score:.2f}"


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
