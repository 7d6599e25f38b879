"""The videos whose labels are most uncertain, from what extraction left."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.data.video_text import READ, texts_of
from kinoloop.errors import DataError
from kinoloop.semantics import inputs
from kinoloop.semantics.answers import read_answers
from kinoloop.semantics.asking import Question, asked_facet, questions
from kinoloop.semantics.assemble import LazyTextEncoder, make_labeller, with_answers
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.head_store import Heads
from kinoloop.semantics.label_file import SHIPPED, read_labels
from kinoloop.semantics.spaces import VectorSpace

ASKED_OF = 5_000
"""Videos that `kinoloop label next` looks through, a sample that is always the same."""


def uncertain_videos(
    tables: Tables,
    config: SemanticsConfig,
    spaces: Mapping[str, VectorSpace],
    *,
    facet: str,
    label: str,
    count: int,
) -> list[Question]:
    """Find the videos that a person should label next, of up to `ASKED_OF`.

    Args:
        tables: The data directory, extracted.
        config: The label file.
        spaces: By modality.
        facet: Of the label file.
        label: Of that facet; "": which of its labels holds.
        count: How many videos.

    Raises:
        DataError: No facet, or no label of it, is called so, or no video has vectors.
    """
    labels = read_labels(Path(config.labels) if config.labels else SHIPPED)
    asked = asked_facet(labels, facet, label)
    videos, answers = inputs.read_videos(tables), read_answers(tables)
    prints = {modality: space.fingerprint for modality, space in spaces.items()}
    text = LazyTextEncoder(spaces.get("text"))
    labeller = make_labeller(config, labels, spaces, heads=Heads(), videos=videos, text=text)
    labeller = with_answers(tables, labeller, answers, prints)
    known = answers.filter(pl.col("facet") == facet)
    if label:
        known = known.filter((pl.col("label") == label) | pl.col("holds"))
    open_ones = videos.join(known, on="video_id", how="anti").sort("seen")[:ASKED_OF]
    ids = open_ones["video_id"].to_list()
    vectors = inputs.without_empty_words(
        inputs.read_vectors(tables, ids, prints), texts_of(open_ones, READ)
    )
    if not vectors:
        raise DataError("no video has vectors yet; run `kinoloop extract` first")
    scores, _ = labeller.scores(asked, vectors, len(ids))
    return questions(asked, label, open_ones, scores, vectors, count=count)
