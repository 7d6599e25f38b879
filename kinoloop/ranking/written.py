"""What users wrote lately, as features of a pair: how near the video's words come to it.

A search says what is wanted now, a comment what somebody cared about; both fade. For each kind:

- `mean`: cosine of the video's text with what was written, each half as much per newer text;
- `now`: the highest cosine, halved per `HALF_LIFE_US` since it was written;
- `fresh`: that factor, of the newest text; 0 where nothing was written.

A video that was found by a search is not explained by that search: the label would stand among the
features. So an exposure on the surface `search` does not see what was written within half an hour
before it, the same half hour in which the search log (`kinoloop.data.search_log`) pairs the two.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Modality
from kinoloop.data.search_log import WITHIN
from kinoloop.data.written import WRITTEN, Written
from kinoloop.schema import DAY_US, EVENT_KINDS

NEWEST = 4
"""Texts of a user that are read."""

HALF_LIFE_US = DAY_US
FADE = 0.5  # weight of each text relative to the next newer one
CHUNK_CELLS = 8_000_000  # numbers held at a time
FOUND_BY = "search"  # the surface
_HOW = ("mean", "now", "fresh")  # features of each kind of text, in this order
WITHIN_US = WITHIN // timedelta(microseconds=1)


@dataclass(frozen=True)
class Lately:
    """The newest texts of some contexts, newest first.

    Attributes:
        texts: (n_contexts, NEWEST) int32, rows of `vectors`; −1 is padding.
        kinds: (n_contexts, NEWEST) uint8, position in `schema.EVENT_KINDS`.
        ages: (n_contexts, NEWEST) int64, µs before the context.
        vectors: (n_texts, dim) float32.
        space: Fingerprint of the text vectors that they may be compared with.
    """

    texts: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    ages: NDArray[np.int64]
    vectors: NDArray[np.float32]
    space: str

    def __getitem__(self, used: NDArray[np.integer]) -> "Lately":
        """Keep some contexts."""
        parts = (self.texts[used], self.kinds[used], self.ages[used])
        return Lately(*parts, self.vectors, self.space)


def nothing(contexts: int) -> Lately:
    """Contexts in which nothing was written."""
    shape = (contexts, NEWEST)
    return Lately(
        np.full(shape, -1, dtype=np.int32),
        np.zeros(shape, dtype=np.uint8),
        np.zeros(shape, dtype=np.int64),
        np.zeros((0, 1), dtype=np.float32),
        "",
    )


def lately(
    written: Written | None,
    rows: NDArray[np.integer],
    moments: NDArray[np.int64],
    *,
    found: NDArray[np.bool_] | None = None,
) -> Lately:
    """Look up what was written before each context.

    Args:
        written: By whom, and when; None where it is not read.
        rows: (n_contexts,) row of the user; −1 where unknown.
        moments: (n_contexts,) µs; what was written at that moment or later is not known.
        found: (n_contexts,) whether the video was found by a search; None: none was.
    """
    if written is None or not len(written.texts):
        return nothing(len(rows))
    before = moments if found is None else np.where(found, moments - WITHIN_US, moments)
    known = np.maximum(rows, 0)
    starts = np.where(rows < 0, 0, written.offsets[known])
    ends = np.where(rows < 0, 0, written.offsets[known + 1])
    at = _last_before(written.timestamps, starts, ends, before)[:, None] - 1 - np.arange(NEWEST)
    real = at >= starts[:, None]
    at = np.where(real, at, 0)
    return Lately(
        np.where(real, written.texts[at], -1).astype(np.int32),
        np.where(real, written.kinds[at], 0).astype(np.uint8),
        np.where(real, moments[:, None] - written.timestamps[at], 0),
        written.vectors,
        written.space,
    )


def written_features(
    wrote: Lately,
    contexts: NDArray[np.integer],
    videos: NDArray[np.integer],
    text: Modality | None,
) -> dict[str, NDArray[Any]]:
    """Compute the features of some pairs, (n,) each, by name.

    Args:
        wrote: By context.
        contexts: (n,) of the pairs.
        videos: (n,) of the pairs.
        text: Vectors of the catalogue; in another space nothing can be compared.
    """
    found: dict[str, NDArray[Any]] = {}
    if text is None or text.fingerprint != wrote.space or not (wrote.texts >= 0).any():
        nothing_near = np.zeros(len(videos), dtype=np.float32)
        return {f"{name}_{how}": nothing_near for name in WRITTEN for how in _HOW}
    near = _cosines(wrote, contexts, videos, text.vectors)
    for name in WRITTEN:
        kind = EVENT_KINDS.index(name)
        mine = (wrote.texts >= 0) & (wrote.kinds == kind)
        order = np.cumsum(mine, axis=1) - 1
        weights = np.where(mine, FADE**order, 0.0)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
        fresh: NDArray[np.float64] = np.where(mine, 0.5 ** (wrote.ages / HALF_LIFE_US), 0.0)
        found[f"{name}_mean"] = (near * weights[contexts]).sum(axis=1)
        found[f"{name}_now"] = (near * fresh[contexts]).max(axis=1)
        found[f"{name}_fresh"] = fresh.max(axis=1)[contexts]
    return found


def _cosines(
    wrote: Lately,
    contexts: NDArray[np.integer],
    videos: NDArray[np.integer],
    vectors: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Cosine of each pair's video with each text of its context, (n, NEWEST); padding is 0."""
    found = np.zeros((len(videos), NEWEST), dtype=np.float32)
    some = np.flatnonzero(wrote.texts[contexts, 0] >= 0)
    step = max(1, CHUNK_CELLS // (NEWEST * vectors.shape[1]))
    for start in range(0, len(some), step):
        at = some[start : start + step]
        texts = wrote.texts[contexts[at]]
        near = np.einsum("nkd,nd->nk", wrote.vectors[texts], vectors[videos[at]])
        found[at] = np.where(texts >= 0, near, 0)
    return found


def _last_before(
    times: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    moments: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Find in each part [start, end) where what comes at its moment or later begins, (n,)."""
    low, high = starts.copy(), ends.copy()
    while (low < high).any():
        middle = (low + high) // 2
        earlier = (low < high) & (times[np.minimum(middle, len(times) - 1)] < moments)
        high = np.where(earlier | (low >= high), high, middle)
        low = np.where(earlier, middle + 1, low)
    return low
