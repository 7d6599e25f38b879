"""A ranker for synthetic bundles: as wide as a real one, and learned from hardly anything.

What it costs in an answer does not depend on what it has learned. Vectors of text are drawn, under
the name of the space of the embedded language model, so that none is read to make a bundle.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.exposures import Exposures
from kinoloop.data.histories import Histories
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import text_space
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.ranking.ranker import Ranker
from kinoloop.schema import EVENT_KINDS

TEXT_DIM = 384
LEARNED = 5_000
"""Videos that were watched, of each of which one that was not is learned from, too."""
VALIDATION, TEST = 0.8, 0.9
"""Shares of the time from which on exposures stop the training and are reported on."""


def with_text(catalogue: Catalogue, rng: np.random.Generator) -> Catalogue:
    """Return a catalogue with drawn vectors of text beside its own."""
    vectors = rng.standard_normal((len(catalogue), TEXT_DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    space = text_space(encoders.build({"kind": "minilm"}).fingerprint)
    text = Modality(vectors, np.ones(len(catalogue), dtype=np.bool_), space)
    return replace(catalogue, modalities={**catalogue.modalities, "text": text})


def synthetic_ranker(catalogue: Catalogue, histories: Histories, *, seed: int = 0) -> Ranker:
    """Fit a ranker with the default settings, but for how much it learns from.

    Args:
        catalogue: As `with_text` makes it.
        histories: Of all users, at least `LEARNED` events.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    watched = np.sort(rng.choice(len(histories.videos), size=LEARNED, replace=False))
    videos = histories.videos[watched]
    other = rng.integers(0, len(catalogue), LEARNED)
    both = _interleaved(videos, other).astype(np.int32)
    times = np.repeat(histories.timestamps[watched], 2)
    order = np.argsort(times, kind="stable")
    liked = np.tile([True, False], LEARNED)[order]
    viewed, shown = (1 << EVENT_KINDS.index(kind) for kind in ("view", "impression"))
    n = len(order)
    exposures = Exposures(
        users=np.repeat(histories.row_of[watched], 2)[order].astype(np.int32),
        videos=both[order],
        timestamps=times[order],
        shown=np.ones(n, dtype=np.bool_),
        kinds=np.where(liked, shown | viewed, shown).astype(np.int64),
        watch_s=np.full(n, np.nan, dtype=np.float32),
        ratings=np.full(n, np.nan, dtype=np.float32),
        situations=np.zeros(n, dtype=np.int32),
        user_ids=histories.user_ids,
        facts=({"surface": "home", "device": "phone"},),
    )
    validation, test = np.quantile(times, [VALIDATION, TEST]).astype(np.int64).tolist()
    data = RankerData(exposures, histories, validation, test, labels=liked)
    return fit_ranker(RankerConfig(epochs=1), data, catalogue, seed=seed).ranker


def _interleaved(first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return one of the first, one of the second, and so on."""
    return np.stack([first, second], axis=1).ravel()
