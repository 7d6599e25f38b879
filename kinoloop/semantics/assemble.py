"""Put together what labels videos: channels, heads, words of the catalogue, and answers."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.tables import Tables
from kinoloop.data.video_text import OWN, READ, texts_of
from kinoloop.encoders import base as encoders
from kinoloop.encoders.base import TextEncoder
from kinoloop.encoders.efficientnet_lite import Words
from kinoloop.encoders.joint_text import JointText, has_text_tower
from kinoloop.semantics import generative, inputs
from kinoloop.semantics.answered_heads import AnsweredHeads, learn_answers
from kinoloop.semantics.channels import Channel, joint_channel, words_channel
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.head_store import Heads
from kinoloop.semantics.label_file import LabelFile
from kinoloop.semantics.rows import Labeller
from kinoloop.semantics.spaces import VectorSpace
from kinoloop.semantics.words import rarity, vocabulary

RARITY_VIDEOS = 20_000
"""Videos that the rarity of words is counted on, evenly spread."""


class LazyTextEncoder:
    """The text encoder, loaded when it is first needed; None where there are no text vectors.

    Whoever labels shares one, so that phrases and known titles are encoded once.
    """

    def __init__(self, space: VectorSpace | None) -> None:
        self._space = space
        self._loaded: encoders.Encoder | None = None
        self._channels: dict[str, Channel] = {}

    def __call__(self) -> TextEncoder | None:
        """Load it at the first call."""
        if self._space is None:
            return None
        if self._loaded is None:
            self._loaded = encoders.build(dict(self._space.settings))
        return self._loaded if isinstance(self._loaded, TextEncoder) else None

    def channel(self, labels: LabelFile) -> Channel | None:
        """Words as a way to look at the facets of a label file; made once for each."""
        encoder = self()
        if encoder is not None and labels.digest not in self._channels:
            self._channels[labels.digest] = words_channel(labels.facets, encoder)
        return self._channels.get(labels.digest)


def make_labeller(
    config: SemanticsConfig,
    labels: LabelFile,
    spaces: Mapping[str, VectorSpace],
    *,
    heads: Heads,
    videos: pl.DataFrame,
    text: LazyTextEncoder,
) -> Labeller:
    """Put a labeller together; it has learned nothing from answers yet.

    Args:
        config: Thresholds.
        labels: The label file.
        spaces: By modality.
        heads: Learned from the catalogue.
        videos: From `inputs.read_videos`, all of them: they say which words are rare.
        text: The text encoder.
    """
    counted = texts_of(videos.gather_every(max(1, len(videos) // RARITY_VIDEOS)), OWN)
    known_tags = vocabulary(videos["tags"].to_list())
    encoder = text()
    return Labeller(
        config=config,
        facets=labels.facets,
        channels=_channels(labels, spaces, text),
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
        answered=AnsweredHeads(),
    )


def with_answers(
    tables: Tables, labeller: Labeller, answers: pl.DataFrame, prints: Mapping[str, str]
) -> Labeller:
    """Let a labeller learn from a person's answers, where they are enough.

    Args:
        tables: Holds the vectors.
        labeller: That guesses without them.
        answers: From `read_answers`; of videos that are gone nothing is learned.
        prints: Fingerprint by modality.
    """
    ids = answers["video_id"].unique().sort().to_list()
    videos = inputs.read_videos(tables).filter(pl.col("video_id").is_in(ids))
    answers = answers.join(videos, on="video_id", how="semi")
    ids = videos["video_id"].to_list()
    vectors = inputs.without_empty_words(
        inputs.read_vectors(tables, ids, prints), texts_of(videos, READ)
    )
    guessed: dict[tuple[str, str], NDArray[np.float32]] = {}
    for facet in labeller.facets:
        scores, _ = labeller.scores(facet, vectors, len(ids))
        guessed |= {(facet.name, name): scores[:, j] for j, name in enumerate(facet.labels)}
    learned = learn_answers(
        answers,
        vectors,
        guessed,
        exclusive=frozenset(f.name for f in labeller.facets if not f.many),
        least=labeller.config.min_score,
    )
    return replace(labeller, answered=learned)


def _kind(spaces: Mapping[str, VectorSpace], modality: str) -> str:
    return str(spaces[modality].settings["kind"]) if modality in spaces else ""


def _channels(
    labels: LabelFile, spaces: Mapping[str, VectorSpace], text: LazyTextEncoder
) -> list[Channel]:
    words = text.channel(labels)
    channels = [] if words is None else [words]
    for modality in ("visual", "audio"):
        settings = spaces[modality].settings if modality in spaces else {}
        model, revision = settings.get("model"), settings.get("revision")
        if model and has_text_tower(model, revision):
            channels.append(joint_channel(labels.facets, modality, JointText(model, revision)))
    return channels
