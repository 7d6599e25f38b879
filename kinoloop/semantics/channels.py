"""What each kind of evidence says of a facet, and what they say together.

A channel is one way of looking: words through the text encoder, pictures and sound through an
image-text or audio-text model where the extraction uses one. Together they are a weighted mean of
probabilities in which a channel that finds nothing to say counts little:

    p(l) = Σ_c w_c · s_c · p_c(l) / Σ_c w_c · s_c        s_c = ε + (1 − ε) · (1 − p_c(none))
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders.base import TextEncoder
from kinoloop.encoders.joint_text import JointText
from kinoloop.semantics.label_file import Facet
from kinoloop.semantics.taught import taught_prototypes
from kinoloop.semantics.zero_shot import Prototypes, Scale, prototypes

Floats = NDArray[np.float32]

WEIGHTS = {"text": 0.5, "visual": 0.35, "audio": 0.15}
NAMES = {"text": "words", "visual": "picture", "audio": "sound"}
TEMPLATES = {"text": "{}", "visual": "a picture of {}", "audio": "the sound of {}"}
LEAST_SAY = 0.1
MIN_NAMED = 0.15
"""A channel that gives a label less than this is not named beside one that gives it more."""


@dataclass(frozen=True)
class Channel:
    """One way of looking, ready for every facet.

    Attributes:
        modality: Whose vectors it reads.
        facets: Prototypes by facet.
    """

    modality: str
    facets: dict[str, Prototypes]


def words_channel(facets: Sequence[Facet], encoder: TextEncoder) -> Channel:
    """Words, through the encoder that made the text vectors."""
    return Channel("text", taught_prototypes(facets, encoder.encode_text))


def joint_channel(facets: Sequence[Facet], modality: str, text: JointText) -> Channel:
    """Pictures or sound, through the text tower of the model that made their vectors."""
    if text.bias is None:
        scale = Scale(shift=0.0, factor=text.scale, floor=None)
    else:  # trained pair by pair: a logit of 0 means as likely as not, and so does `none`
        scale = Scale(shift=-text.bias / text.scale, factor=text.scale, floor=0.0)
    template = TEMPLATES[modality]
    return Channel(
        modality, {f.name: prototypes(f, text.encode, scale, template=template) for f in facets}
    )


def combine(
    facet: Facet, channels: Sequence[Channel], vectors: Mapping[str, Floats]
) -> tuple[Floats, list[list[str]]]:
    """Score one facet.

    Args:
        facet: Which.
        channels: All of them.
        vectors: (n, dim) by modality, a zero row where a video lacks it.

    Returns:
        Probabilities (n, n_labels) float32, zero for a video that no channel can read; and for each
        video and label what speaks for it, such as `words 0.82, picture 0.40`.
    """
    n = len(next(iter(vectors.values()))) if vectors else 0
    total = np.zeros((n, len(facet.labels)), dtype=np.float32)
    weights = np.zeros((n, 1), dtype=np.float32)
    said: list[tuple[str, Floats]] = []
    for channel in channels:
        found = channel.facets[facet.name].score(vectors[channel.modality])
        found = found * vectors[channel.modality].any(axis=1, keepdims=True)
        spoken = found.max(axis=1) if facet.many else found.sum(axis=1)
        there = vectors[channel.modality].any(axis=1)
        weight = WEIGHTS[channel.modality] * (LEAST_SAY + (1 - LEAST_SAY) * spoken) * there
        total += weight[:, None] * found
        weights[:, 0] += weight
        said.append((NAMES[channel.modality], found))
    scores: Floats = np.divide(total, weights, out=np.zeros_like(total), where=weights > 0)
    evidence = [[_evidence(said, i, j) for j in range(scores.shape[1])] for i in range(n)]
    return scores, evidence


def _evidence(said: Sequence[tuple[str, Floats]], i: int, j: int) -> str:
    """Say what speaks for a label, the surest channel at least."""
    surest = max((p[i, j] for _, p in said), default=0.0)
    least = min(MIN_NAMED, surest)
    return ", ".join(f"{name} {p[i, j]:.2f}" for name, p in said if p[i, j] >= least)
