"""Labels as a way to find videos: a query meets what a video was found to be, not only its words.

A clip without a title that was measured to be calm and bright answers "relaxing"; one whose title
says nothing answers through what its pictures showed. The score of a video is the sum over its
labels of label score × how far the query's cosine to the label's name exceeds θ, at most 1; θ is
what only one in twenty pairs of different labels exceed (0.43 among the shipped ones in the
packaged text model).

Names of things that pictures show (facet `shows`) are as good as words of a title: what a video
means to a query is the nearer one of its text and of the nearest thing that it shows.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from kinoloop.models.top_k import best
from kinoloop.schema import SHOWS

RELATED = 0.95
"""Share of pairs of different labels whose names are less related than a query must be to count."""

NEAREST = 8
"""Labels of which the surest videos are looked at where not all are."""

_ROW = {"row": pl.Int64, "facet": pl.String, "label": pl.String, "score": pl.Float32}

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


class LabelSearch:
    """Finds videos by what they were labelled.

    Args:
        labels: Column `labels` of the catalogue; None where there is none.
        n_videos: How many videos.
    """

    def __init__(self, labels: pl.Series | None, n_videos: int) -> None:
        rows = (
            pl.DataFrame({"row": range(n_videos), "labels": labels})
            .explode("labels")
            .drop_nulls("labels")
            .unnest("labels")
            if labels is not None
            else pl.DataFrame(schema=_ROW)
        )
        self.names: list[str] = sorted(rows["label"].unique())
        column = {name: i for i, name in enumerate(self.names)}
        columns = np.array([column[label] for label in rows["label"]], dtype=np.int64)
        shape = (n_videos, len(self.names))
        scores = rows["score"].to_numpy().astype(np.float32)
        self._matrix = sp.csr_array((scores, (rows["row"].to_numpy(), columns)), shape=shape)
        things = (rows["facet"] == SHOWS).to_numpy()
        places = (rows["row"].to_numpy()[things], columns[things])
        self._shown = sp.csr_array((np.ones(things.sum(), np.float32), places), shape=shape)
        self._named: tuple[NDArray[np.float32], np.float32] | None = None  # vectors and θ

    def score(self, query: NDArray[np.float32], encode: Encode) -> NDArray[np.float32]:
        """How well each video's labels answer a query, (n_videos,) float32 in [0, 1].

        Args:
            query: (dim,) its vector, unit length.
            encode: Encodes the names of the labels, when they are first asked for.
        """
        if not self.names:
            return np.zeros(self._matrix.shape[0], dtype=np.float32)
        vectors, usual = self._encoded(encode)
        near = np.maximum(vectors @ query - usual, 0) / (1 - usual)
        found: NDArray[np.float32] = np.minimum(self._matrix @ near, 1).astype(np.float32)
        return found

    def at(
        self, query: NDArray[np.float32], encode: Encode, videos: NDArray[np.integer]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what `score` and `nearest_shown` have for some videos, (n,) float32 each."""
        if not self.names:
            return np.zeros(len(videos), np.float32), np.zeros(len(videos), np.float32)
        vectors, usual = self._encoded(encode)
        cosines = vectors @ query
        near = np.maximum(cosines - usual, 0) / (1 - usual)
        found = np.minimum(self._matrix[videos] @ near, 1).astype(np.float32)
        if not self._shown.nnz:
            return found, np.zeros(len(videos), dtype=np.float32)
        nearest = self._shown[videos].multiply(cosines[None]).max(axis=1).toarray()
        return found, np.maximum(nearest, 0).ravel().astype(np.float32)

    def likely(self, query: NDArray[np.float32], encode: Encode, count: int) -> NDArray[np.integer]:
        """Videos among which the best by labels are: those surest of the labels nearest to it."""
        if not self.names:
            return np.empty(0, dtype=np.intp)
        vectors, usual = self._encoded(encode)
        cosines = vectors @ query
        near = [one for one in best(cosines, NEAREST).tolist() if cosines[one] > usual]
        return np.concatenate([np.empty(0, np.intp), *(self._surest(one, count) for one in near)])

    def _surest(self, label: int, count: int) -> NDArray[np.integer]:
        """Videos that have a label, the surest ones."""
        by_label = self._by_label
        row = slice(by_label.indptr[label], by_label.indptr[label + 1])
        return np.asarray(by_label.indices[row][best(by_label.data[row], count)])

    @cached_property
    def _by_label(self) -> sp.csc_array:
        return self._matrix.tocsc()

    def nearest_shown(self, query: NDArray[np.float32], encode: Encode) -> NDArray[np.float32]:
        """Cosine of a query and the nearest thing that each video shows, (n_videos,) float32.

        0 where it shows nothing, or nothing near.

        Args:
            query: (dim,) its vector, unit length.
            encode: Encodes the names of the labels, once.
        """
        if not self._shown.nnz:
            return np.zeros(self._shown.shape[0], dtype=np.float32)
        cosines = self._encoded(encode)[0] @ query
        nearest = self._shown.multiply(cosines[None]).max(axis=1).toarray()
        found: NDArray[np.float32] = np.maximum(nearest, 0).ravel().astype(np.float32)
        return found

    def _encoded(self, encode: Encode) -> tuple[NDArray[np.float32], np.float32]:
        """Vectors of the names, and θ."""
        named = self._named
        if named is None:
            vectors = encode(self.names)
            named = self._named = vectors, _usual(vectors)  # at once: threads may ask meanwhile
        return named


def _usual(vectors: NDArray[np.float32]) -> np.float32:
    """Cosine that few pairs of different labels exceed, whatever the encoder: θ."""
    pairs = np.triu_indices(len(vectors), 1)
    cosines = (vectors @ vectors.T)[pairs]
    return np.float32(np.clip(np.quantile(cosines, RELATED), 0, 0.95) if len(cosines) else 0)
