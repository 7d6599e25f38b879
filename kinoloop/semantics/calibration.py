"""How likely a label is right: learned from titles whose label is known, for any text encoder.

Nearness to a label is not a probability. `known_titles.toml` holds titles with the label that a
person would give them; each is scored by prototypes that have not seen it, and a logistic function
of two distances, in logits,

    p(l) = σ(a · (z_l − z_none) + b · (z_l − z_rival) + c)

is fitted to whether the label is right (Platt). Two functions: one for facets of which one label
holds, one for those of which several can; a facet of one's own takes the one of its kind. Where the
distances were chosen: cross-validated log loss of topic, emotion, style .0497, .1112, .0682 against
.0501, .1134, .0779 as scored before and .0774, .1608, .1199 by z_l alone; isotonic regression was
worse on titles that it had not seen (.0598, .2137, .1782 against .0582, .1612, .0869).

The known titles are examples, too: a prototype is `1 − EXAMPLES` its phrases and `EXAMPLES` the
mean of its titles.

Source: Platt (1999), Probabilistic outputs for support vector machines.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.semantics.nothing import says_nothing

Floats = NDArray[np.float32]

KNOWN_TITLES = Path(__file__).with_name("known_titles.toml")
NONE = "none"
FOLDS = 6

EXAMPLES = 0.3
"""Share of the known titles in a prototype. Cross-validated log loss of topic, emotion and style at
0, .3, .5, .7: .0497 .0471 .0477 .0525, .1112 .1065 .1101 .1187, .0682 .0641 .0662 .0728."""


@dataclass(frozen=True)
class KnownTitles:
    """Titles of one facet and the label of each, `NONE` where it has none."""

    titles: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Calibration:
    """Probability of a label from its distances, in logits, to none and to its best rival."""

    none: float
    rival: float
    bias: float

    def score(self, logits: Floats, none: Floats) -> Floats:
        """Probability of each label, (n, n_labels) float32.

        Args:
            logits: (n, n_labels) of the labels.
            none: (n,) of no label.
        """
        far_none, far_rival = distances(logits, none)
        x = self.none * far_none + self.rival * far_rival + self.bias
        found: Floats = (1 / (1 + np.exp(-np.clip(x, -60, 60)))).astype(np.float32)
        return found


def distances(logits: Floats, none: Floats) -> tuple[Floats, Floats]:
    """How far each label lies before none and before the best other label, both (n, n_labels)."""
    best = logits.max(axis=1, keepdims=True)
    second = np.sort(logits, axis=1)[:, -2:-1] if logits.shape[1] > 1 else none[:, None]
    return logits - none[:, None], logits - np.where(logits == best, second, best)


@lru_cache(maxsize=1)
def known_titles() -> Mapping[str, KnownTitles]:
    """Read the known titles by facet; those that say nothing never come to be scored."""
    found = {}
    for facet, groups in tomllib.loads(KNOWN_TITLES.read_text(encoding="utf-8")).items():
        pairs = [(t, label) for label, ts in groups.items() for t in ts if not says_nothing(t)]
        titles, labels = zip(*pairs, strict=True)
        found[facet] = KnownTitles(titles, labels)
    return found


def fit(scored: Sequence[tuple[Floats, Floats, NDArray[np.bool_]]]) -> Calibration:
    """Fit to labels of which it is known whether they are right.

    Args:
        scored: Logits (n, n_labels), logits of none (n,) and truth (n, n_labels) of each facet.
    """
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate(
        [np.stack([d.ravel() for d in distances(z, none)], 1) for z, none, _ in scored]
    )
    right = np.concatenate([truth.ravel() for *_, truth in scored])
    model = LogisticRegression(C=1.0, max_iter=1000).fit(x, right)
    weights = model.coef_[0]
    return Calibration(float(weights[0]), float(weights[1]), float(model.intercept_[0]))


def fold_of(title: str) -> int:
    """Which fold a title belongs to, whatever else is in the file."""
    return hashlib.sha256(title.encode()).digest()[0] % FOLDS
