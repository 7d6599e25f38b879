"""The weights of a search's parts, learned from what people watched after searching.

Meaning, words and labels are mixed by two shares. The older pairs of the search log choose them by
mean reciprocal rank of what was watched; the newer pairs decide whether they are taken: only if the
95 % interval of the gain over the shares that come with Kinoloop lies above zero.

Source: Joachims, KDD 2002 (clicks as evidence of relevance).
"""

import itertools
import logging
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.search_log import SearchLog
from kinoloop.evaluation.compare import paired
from kinoloop.release.info import SearchWeights
from kinoloop.release.search import Parts

logger = logging.getLogger(__name__)

OLDER = 0.6  # share of the pairs that chooses
FEWEST = 50  # pairs below which nothing is learned
SEMANTIC = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
LABELS = (0.0, 0.1, 0.2, 0.4, 0.8)
MOST_PAIRS = 2000


class Finds(Protocol):
    """What scores videos by parts: `kinoloop.release.search.Search`."""

    @property
    def by_meaning(self) -> bool:
        """Whether texts are understood."""

    def parts(self, query: str) -> Parts:
        """Score by each part."""


def learn_weights(search: Finds, log: SearchLog) -> SearchWeights | None:
    """Learn the shares; None where there is too little to learn from or nothing is won.

    Args:
        search: Of the release; it must find by meaning.
        log: Pairs, oldest first.
    """
    if len(log) < FEWEST or not search.by_meaning:
        return None
    tried = [SearchWeights(semantic=s, label=w) for s, w in itertools.product(SEMANTIC, LABELS)]
    tried.insert(0, SearchWeights())  # of equals what comes with Kinoloop stays
    reciprocal = _reciprocal_ranks(search, log, tried)
    older = int(OLDER * len(log))
    best = int(reciprocal[:, :older].mean(axis=1).argmax())
    gain = paired(reciprocal[best, older:], reciprocal[0, older:], seed=0)
    before, after = (float(reciprocal[at, older:].mean()) for at in (0, best))
    logger.info(
        "search: shares %g and %g, MRR of %d newer pairs %.4f against %.4f [%+.4f, %+.4f]",
        *(tried[best].semantic, tried[best].label, gain.n, after, before, gain.low, gain.high),
    )
    if gain.low <= 0:
        return None
    figures = {"mrr": after, "mrr_before": before, "low": gain.low, "pairs": float(gain.n)}
    return tried[best].model_copy(update={"measured": figures})


def _reciprocal_ranks(
    search: Finds, log: SearchLog, tried: list[SearchWeights]
) -> NDArray[np.float64]:
    """1 / rank of what was watched, (weights, pairs); ties stand in the middle."""
    found = np.zeros((len(tried), len(log)))
    pairs: dict[str, list[int]] = {}
    for at, query in enumerate(log.queries):
        pairs.setdefault(query, []).append(at)
    for query, rows in pairs.items():
        parts = search.parts(query)
        videos = log.videos[rows]
        for number, weights in enumerate(tried):
            scores = parts.mixed(weights)
            own = scores[videos][:, None]
            above, equal = (scores > own).sum(axis=1), (scores == own).sum(axis=1)
            found[number, rows] = 1 / (above + (equal + 1) / 2)
    return found
