"""Prototypes of words, taught by the known titles: examples beside phrases, and calibration."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders.pretrained import normalise
from kinoloop.semantics.calibration import (
    EXAMPLES,
    FOLDS,
    NONE,
    Calibration,
    fit,
    fold_of,
    known_titles,
)
from kinoloop.semantics.label_file import Facet, read_labels
from kinoloop.semantics.zero_shot import Encode, Prototypes, Scale, words_scale

Floats = NDArray[np.float32]


def taught_prototypes(facets: Sequence[Facet], encode: Encode) -> dict[str, Prototypes]:
    """Prototypes by facet, calibrated; labels that ship as they are have their titles as examples.

    Args:
        facets: Of the label file in force.
        encode: Strings to unit vectors.
    """
    once = _Once(encode)
    shipped = {facet.name: facet for facet in read_labels().facets}
    titles = {name: _Titles(name, once) for name in known_titles()}
    calibrations = {
        many: _calibrate([f for f in shipped.values() if f.many == many], titles, once)
        for many in (False, True)
    }
    scale = words_scale(facets, once)
    made = {}
    for facet in facets:
        same = shipped.get(facet.name)
        known = titles[facet.name].of_same(facet, same) if same is not None else None
        made[facet.name] = _prototypes(
            facet, once, scale, known=known, calibration=calibrations[facet.many]
        )
    return made


class _Once:
    """Encodes each text once."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._known: dict[str, Floats] = {}

    def __call__(self, texts: Sequence[str]) -> Floats:
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            self._known.update(zip(missing, self._encode(missing), strict=True))
        return np.stack([self._known[text] for text in texts])


class _Titles:
    """The known titles of one facet in one vector space."""

    def __init__(self, facet: str, encode: Encode) -> None:
        known = known_titles()[facet]
        self.vectors: Floats = encode(known.titles)
        self.labels = np.array(known.labels)
        self.folds = np.array([fold_of(title) for title in known.titles])

    def means(self, labels: Sequence[str], *, without: int | None = None) -> dict[str, Floats]:
        """Mean vector of each label's titles outside a fold, of the labels that have any."""
        rows = {label: (self.labels == label) & (self.folds != without) for label in labels}
        return {
            label: self.vectors[mine].mean(axis=0) for label, mine in rows.items() if mine.any()
        }

    def of_same(self, facet: Facet, shipped: Facet) -> dict[str, Floats]:
        """Means of the labels that a facet describes as the shipped one does."""
        same = [name for name, ps in facet.labels.items() if shipped.labels.get(name) == ps]
        return self.means([*same, NONE] if facet.none == shipped.none else same)


def _calibrate(facets: Sequence[Facet], titles: dict[str, _Titles], encode: Encode) -> Calibration:
    """Fit to the titles, each scored by prototypes that have not seen it."""
    scale = words_scale(read_labels().facets, encode)
    scored = []
    for facet in facets:
        known = titles[facet.name]
        for fold in range(FOLDS):
            rows = known.folds == fold
            means = known.means([*facet.labels, NONE], without=fold)
            made = _prototypes(facet, encode, scale, known=means)
            truth = known.labels[rows][:, None] == np.array(made.labels)[None]
            scored.append((*made.logits(known.vectors[rows]), truth))
    return fit(scored)


def _prototypes(
    facet: Facet,
    encode: Encode,
    scale: Scale,
    *,
    known: dict[str, Floats] | None = None,
    calibration: Calibration | None = None,
) -> Prototypes:
    """Prototypes of phrases, and of examples where there are any (means by label, and `NONE`)."""
    examples = known or {}
    means = []
    for label, phrases in (*facet.labels.items(), (NONE, facet.none)):
        mean = encode(phrases).mean(axis=0)
        if label in examples:
            mean = (1 - EXAMPLES) * mean + EXAMPLES * examples[label]
        means.append(mean)
    units = normalise(np.stack(means))
    return Prototypes(tuple(facet.labels), units[:-1], units[-1], scale, facet.many, calibration)
