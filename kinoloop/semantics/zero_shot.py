"""Labels without training: how near a video's vector lies to the phrases that describe a label.

A label's prototype is the unit mean of its phrases' vectors. For a text encoder, cosines of
different models mean different things (unrelated texts have 0.1 in one and 0.75 in another), so
they are first put on a common scale: z = (cos − μ) / σ with μ and σ of the cosines among the
phrases of different labels. An image-text or audio-text model brings its own scale, learned with
its weights.

    one of many:   p(l) = exp(z_l / τ) / (exp(z_none / τ) + Σ_k exp(z_k / τ))
    several:       p(l) = min(1, exp((z_l − z_best) / τ + RIVAL)) / (1 + exp((z_none − z_l) / τ))
    z_none = max(z of the `none` prototype, Z_NONE)

so what is like no label keeps its probability to itself, and where several can hold, each is asked
against `none` alone but not given where another is far likelier. Words have more than this: what
their distances mean is learned from titles of which the labels are known
(`kinoloop.semantics.calibration`).

Source: prompt ensembles and the learned scale, Radford et al. (2021), section 3.1.4; sigmoid
scores, Zhai et al. (2023).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders.pretrained import normalise
from kinoloop.semantics.calibration import Calibration
from kinoloop.semantics.label_file import Facet

Floats = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]

TEMPERATURE = 0.45
Z_NONE = 0.0
"""Both chosen on the 155 titles of benchmarks/topic_titles.toml for the lowest log loss, before
probabilities of words were learned."""

RIVAL = 1.0
"""By how many logits the best label may be ahead before another one loses by it, where several can
hold and their probabilities are the model's own."""


@dataclass(frozen=True)
class Scale:
    """How cosines become logits: (cosine − shift) * factor; `floor` is the least logit of none."""

    shift: float
    factor: float
    floor: float | None


@dataclass(frozen=True)
class Prototypes:
    """One facet in one vector space.

    Attributes:
        labels: Names.
        vectors: (n_labels, dim), unit length.
        none: (dim,), unit length.
        scale: How cosines become logits.
        many: Whether several labels can hold at once.
        calibration: What distances mean; None: the scale says it.
    """

    labels: tuple[str, ...]
    vectors: Floats
    none: Floats
    scale: Scale
    many: bool
    calibration: Calibration | None = None

    def logits(self, vectors: Floats) -> tuple[Floats, Floats]:
        """How near vectors (n, dim) lie to the labels, (n, n_labels), and to none of them, (n,)."""
        near = (vectors @ self.vectors.T - self.scale.shift) * self.scale.factor
        none = (vectors @ self.none - self.scale.shift) * self.scale.factor
        if self.scale.floor is not None:
            none = np.maximum(none, self.scale.floor)
        return near, none

    def score(self, vectors: Floats) -> Floats:
        """Probability of each label.

        Args:
            vectors: (n, dim), unit length.

        Returns:
            (n, n_labels) float32; rows sum to at most 1 unless `many`.
        """
        logits, none = self.logits(vectors)
        if self.calibration is not None:
            likely = self.calibration.score(logits, none)
            return likely if self.many else likely / np.maximum(likely.sum(1, keepdims=True), 1)
        if self.many:
            behind = logits - logits.max(axis=1, keepdims=True) + RIVAL
            each = 1 / (1 + np.exp(np.clip(none[:, None] - logits, -60, 60)))
            scores: Floats = (each * np.exp(np.minimum(behind, 0))).astype(np.float32)
            return scores
        both = np.concatenate([logits, none[:, None]], axis=1)
        weights = np.exp(both - both.max(axis=1, keepdims=True))
        shares: Floats = (weights / weights.sum(axis=1, keepdims=True))[:, :-1]
        return shares.astype(np.float32)


def words_scale(facets: Sequence[Facet], encode: Encode) -> Scale:
    """Measure the scale of a text encoder, from the phrases of all facets."""
    phrases = [(facet.name, label, p) for facet in facets for label in facet.labels
               for p in facet.labels[label]]  # fmt: skip
    vectors = encode([phrase for _, _, phrase in phrases])
    cosines = vectors @ vectors.T
    owner = np.array([f"{facet}/{label}" for facet, label, _ in phrases])
    apart = cosines[owner[:, None] != owner[None]]
    if not len(apart):
        apart = cosines.ravel()
    spread = max(float(apart.std()), 1e-3)
    return Scale(float(apart.mean()), 1 / (spread * TEMPERATURE), Z_NONE / TEMPERATURE)


def prototypes(facet: Facet, encode: Encode, scale: Scale, *, template: str = "{}") -> Prototypes:
    """Encode the phrases of a facet.

    Args:
        facet: The labels.
        encode: Strings to unit vectors.
        scale: How cosines become logits.
        template: What a phrase is put into, such as `a picture of {}`.
    """
    means = [
        encode([template.format(phrase) for phrase in phrases]).mean(axis=0)
        for phrases in (*facet.labels.values(), facet.none)
    ]
    units = normalise(np.stack(means))
    return Prototypes(tuple(facet.labels), units[:-1], units[-1], scale, facet.many)
