"""Labels as a way to find videos: a query meets what a video was found to be, not only its words.

A clip without a title that was measured to be calm and bright answers "relaxing"; one whose title
says nothing answers through what its pictures showed. The score of a video is the sum over its
labels of label score × how far the query's cosine to the label's name exceeds θ, at most 1; θ is
what only one in twenty pairs of different labels exceed (0.43 among the shipped ones in the
packaged text model).
"""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

RELATED = 0.95
"""Share of pairs of different labels whose names are less related than a query must be to count."""

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
            else pl.DataFrame(schema={"row": pl.Int64, "label": pl.String, "score": pl.Float32})
        )
        self.names: list[str] = sorted(rows["label"].unique())
        column = {name: i for i, name in enumerate(self.names)}
        columns = np.array([column[label] for label in rows["label"]], dtype=np.int64)
        shape = (n_videos, len(self.names))
        scores = rows["score"].to_numpy().astype(np.float32)
        self._matrix = sp.csr_array((scores, (rows["row"].to_numpy(), columns)), shape=shape)
        self._named: tuple[NDArray[np.float32], np.float32] | None = None  # vectors and θ

    def score(self, query: NDArray[np.float32], encode: Encode) -> NDArray[np.float32]:
        """How well each video's labels answer a query, (n_videos,) float32 in [0, 1].

        Args:
            query: (dim,) its vector, unit length.
            encode: Encodes the names of the labels, when they are first asked for.
        """
        if not self.names:
            return np.zeros(self._matrix.shape[0], dtype=np.float32)
        named = self._named
        if named is None:
            vectors = encode(self.names)
            named = self._named = vectors, _usual(vectors)  # at once: threads may ask meanwhile
        near = np.maximum(named[0] @ query - named[1], 0) / (1 - named[1])
        found: NDArray[np.float32] = np.minimum(self._matrix @ near, 1).astype(np.float32)
        return found


def _usual(vectors: NDArray[np.float32]) -> np.float32:
    """Cosine that few pairs of different labels exceed, whatever the encoder: θ."""
    pairs = np.triu_indices(len(vectors), 1)
    cosines = (vectors @ vectors.T)[pairs]
    return np.float32(np.clip(np.quantile(cosines, RELATED), 0, 0.95) if len(cosines) else 0)
