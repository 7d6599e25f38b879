"""Features of the candidates of one history that hang on both: what an answer computes anew.

They are those of `features.py` (a test holds the two together), with no step for what one history
has not: other histories, videos that are disliked, texts.

Shapes: K candidates, L videos of the history, T text, E columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.features import Features
from kinoloop.ranking.pairs import Pairs
from kinoloop.ranking.written import written_features
from kinoloop.schema import DAY_US

Array = NDArray[np.float32]
OLDEST_DAYS = 3650
_OF_CONTENT = ("nearest", "mean", "disliked")
_OTHERS = (
    "content.category_share",
    "content.creator_share",
    "behaviour.near",
    "behaviour.nearest",
    "video.against_usual",
    "video.age",
)


class Found(NamedTuple):
    """What is known of the candidates of one history.

    Attributes:
        columns_EK: In the order of `PairColumns.names`.
        liked_L: Interest in what was liked, by recency; 0 of the rest.
        text: (K, T) and (L, T) the catalogue's vectors of text of candidates and history.
    """

    columns_EK: Array  # noqa: N815 (its shape)
    liked_L: Array  # noqa: N815 (its shape)
    text: tuple[Array, Array] | None


class PairColumns:
    """Computes them.

    Args:
        config: Of the ranker.
        features: Of the ranker.
        names: Of all its features.

    Attributes:
        names: Of those that hang on both, in this order.
    """

    def __init__(self, config: RankerConfig, features: Features, names: Sequence[str]) -> None:
        self._features, self._known, self._groups = features, features.known, config.groups
        content = [f"content.{m}_{how}" for m in self._known.catalogue.modalities
                   for how in _OF_CONTENT]  # fmt: skip
        mine = {*content, *_OTHERS}
        self.names = [name for name in names if name in mine or name.startswith("written.")]
        self._row = {name: row for row, name in enumerate(self.names)}
        self._recency = config.decay ** np.arange(config.length)
        self._published = self._known.catalogue.published_at

    def of(self, pairs: Pairs) -> Found:
        """Compute them.

        Args:
            pairs: Of one context.
        """
        table_EK = np.zeros((len(self.names), len(pairs)), dtype=np.float32)
        interest_L = pairs.interest[0]
        faded_L = (interest_L * self._recency[: len(interest_L)]).astype(np.float32)
        liked_L = np.maximum(faded_L, 0)
        text = None
        if "content" in self._groups:
            text = self._content(table_EK, pairs, faded_L, liked_L)
        if "behaviour" in self._groups:
            near_KL = self._known.neighbours.to(pairs.history[0], pairs.videos)
            table_EK[self._row["behaviour.near"]] = near_KL @ faded_L
            nearest_K = np.maximum.reduce(near_KL * (faded_L > 0), axis=1)
            table_EK[self._row["behaviour.nearest"]] = nearest_K
        if "video" in self._groups:
            self._video(table_EK, pairs)
        if "written" in self._groups and pairs.wrote.texts[0, 0] >= 0:
            known = self._known.catalogue.modalities.get("text")
            columns = written_features(pairs.wrote, pairs.contexts, pairs.videos, known)
            for name, column in columns.items():
                table_EK[self._row[f"written.{name}"]] = column
        return Found(table_EK, liked_L, text)

    def _content(
        self, table_EK: Array, pairs: Pairs, faded_L: Array, liked_L: Array
    ) -> tuple[Array, Array] | None:
        """Fill in likeness of content; return the vectors of text of candidates and history."""
        text = None
        shares_L = liked_L / max(float(np.add.reduce(liked_L)), 1e-9)
        positive_L1, negative_L1 = faded_L[:, None] > 0, faded_L[:, None] < 0
        some_disliked = bool(negative_L1.any())
        for name, modality in self._known.catalogue.modalities.items():
            vectors_KD = np.take(modality.vectors, pairs.videos, axis=0)
            watched_LD = np.take(modality.vectors, pairs.history[0], axis=0)
            if name == "text":
                text = vectors_KD, watched_LD
            cosines_LK = watched_LD @ vectors_KD.T
            row = self._row[f"content.{name}_nearest"]
            np.maximum.reduce(cosines_LK * positive_L1, out=table_EK[row])
            table_EK[self._row[f"content.{name}_mean"]] = shares_L @ cosines_LK
            if some_disliked:
                row = self._row[f"content.{name}_disliked"]
                np.maximum.reduce(cosines_LK * negative_L1, out=table_EK[row])
        for name, codes in self._features.codes.items():
            if codes is not None:
                own_K = codes[pairs.videos]
                same_KL = codes[pairs.history[0]] == own_K[:, None]
                shares_K = same_KL.astype(np.float32) @ shares_L
                table_EK[self._row[f"content.{name}_share"]] = shares_K * (own_K >= 0)
        return text

    def _video(self, table_EK: Array, pairs: Pairs) -> None:
        seconds_V = self._features.seconds
        liked_L = np.maximum(pairs.interest[0], 0)
        watched = float(np.add.reduce(seconds_V[pairs.history[0]] * liked_L))
        usual = watched / max(float(np.add.reduce(liked_L)), 1e-9)
        if usual > 0:
            table_EK[self._row["video.against_usual"]] = seconds_V[pairs.videos] - usual
        published_K = self._published[pairs.videos]
        age_K = (pairs.moments[0] - published_K) / DAY_US
        age_K[published_K <= 0] = 0
        np.maximum(age_K, 0, out=age_K)
        np.minimum(age_K, OLDEST_DAYS, out=age_K)
        table_EK[self._row["video.age"]] = np.log1p(age_K)
