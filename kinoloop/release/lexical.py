"""The lexical channel of search: hashed words and letter trigrams, tf-idf, cosine.

It answers names and rare words that a small text encoder blurs, works in any script (runs of CJK
characters become bigrams), forgives inflection and small typos through the trigrams, and needs no
vocabulary: hashing makes the index one sparse matrix. Held inverted (one row per feature), a query
touches only the rows of its own features.

Source: tf-idf with sublinear tf, Manning, Raghavan & Schütze (2008), ch. 6; feature hashing,
Weinberger et al. (2009).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kinoloop.data.words import sought
from kinoloop.models.top_k import best
from kinoloop.release.files import open_array, write_array

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import HashingVectorizer

N_FEATURES = 2**18
TEXT_LIMIT = 6_000
"""Characters of one document that are indexed; titles and descriptions are shorter."""

READ = 300_000
"""Entries that are read to find likely documents: about a millisecond."""


class LexicalIndex:
    """Finds documents by words.

    Args:
        idf: (n_features,) float32.
        matrix: `indptr` (n_features + 1,), `indices` and `data` (nnz,) of the inverted matrix.
        n_documents: How many documents are indexed.
    """

    def __init__(
        self, idf: NDArray[np.float32], matrix: tuple[NDArray[Any], ...], n_documents: int
    ) -> None:
        self._idf = idf
        self._indptr, self._indices, self._data = matrix
        self._n_documents = n_documents
        self._vectorizer = _vectorizer()

    def score(self, query: str) -> NDArray[np.float32]:
        """Cosine of the query and every document, (n_documents,) float32 in [0, 1]."""
        scores = np.zeros(self._n_documents, dtype=np.float32)
        for row, weight in self._asked(query):
            scores[self._indices[row]] += self._data[row] * weight
        return scores

    def at(self, query: str, documents: NDArray[np.integer]) -> NDArray[np.float32]:
        """Cosine of the query and some documents, (n,) float32: what `score` has there."""
        scores = np.zeros(len(documents), dtype=np.float32)
        for row, weight in self._asked(query):
            held = self._indices[row]
            at = np.minimum(np.searchsorted(held, documents), max(0, len(held) - 1))
            if len(held):
                has = held[at] == documents
                scores[has] += self._data[row][at[has]] * weight
        return scores

    def likely(self, query: str, count: int) -> NDArray[np.intp]:
        """Documents among which the best by words are, about `count` of them.

        Words are read from the rarest one on, until `READ` entries are read: what shares only the
        common ones with a query is not among its best where others share rare ones.
        """
        scores, read = np.zeros(self._n_documents, dtype=np.float32), 0
        touched: list[NDArray[Any]] = []
        rows = sorted(self._asked(query), key=lambda one: one[0].stop - one[0].start)
        for row, weight in rows:
            read += row.stop - row.start
            if touched and read > READ:
                break
            touched.append(self._indices[row])
            scores[touched[-1]] += self._data[row] * weight
        met = np.concatenate([np.empty(0, np.intp), *touched])
        if len(met) > count * max(1, len(touched)):
            met = met[np.argpartition(-scores[met], count * len(touched))[: count * len(touched)]]
        met = np.unique(met)
        return met[best(scores[met], count)]

    def _asked(self, query: str) -> list[tuple[slice, np.float32]]:
        """Where the entries of each feature of a query stand, and how much it weighs."""
        counts = self._vectorizer.transform([query])
        features = counts.indices
        weights = (1 + np.log(counts.data)) * self._idf[features]
        norm = float(np.linalg.norm(weights))
        return [
            (slice(int(self._indptr[f]), int(self._indptr[f + 1])), np.float32(weight / norm))
            for f, weight in zip(features.tolist(), weights, strict=True)
        ]

    @classmethod
    def open(cls, directory: Path, n_documents: int) -> "LexicalIndex":
        """Open what `write_index` wrote, memory-mapped."""
        parts = tuple(open_array(directory / f"{name}.npy") for name in _PARTS)
        return cls(parts[0], parts[1:], n_documents)


_PARTS = ("idf", "indptr", "indices", "data")


def write_index(directory: Path, documents: Sequence[str]) -> None:
    """Index documents, in order, and write the arrays into `directory`."""
    counts = _counts(documents)
    containing = np.bincount(counts.indices, minlength=N_FEATURES)
    idf = (np.log((1 + len(documents)) / (1 + containing)) + 1).astype(np.float32)
    inverted = _unit(counts, idf).T.tocsr()
    inverted.sort_indices()
    matrix = (inverted.indptr, inverted.indices.astype(np.int32), inverted.data.astype(np.float32))
    for name, array in zip(_PARTS, (idf, *matrix), strict=True):
        write_array(directory / f"{name}.npy", array)


def grow_index(
    before: Path,
    directory: Path,
    *,
    n_documents: int,
    changed: NDArray[np.integer],
    documents: Sequence[str],
) -> None:
    """Index new and changed documents beside those of an index; its weights of words stay.

    Args:
        before: What `write_index` or an earlier call wrote.
        directory: Where to.
        n_documents: Of the grown index; those before come first.
        changed: (n,) positions of the documents that are new or changed.
        documents: Their texts.
    """
    idf, indptr, indices, data = (open_array(before / f"{name}.npy") for name in _PARTS)
    counts = _unit(_counts(documents), np.asarray(idf)).tocoo()
    places = (counts.col, np.asarray(changed)[counts.row])
    added = sp.csr_array((counts.data, places), shape=(N_FEATURES, n_documents))
    gone = np.zeros(n_documents, dtype=np.bool_)
    gone[changed] = True
    kept = sp.csr_array((data, indices, indptr), shape=added.shape, copy=True)
    kept.data[gone[indices]] = 0
    both = (kept + added).tocsr()
    both.eliminate_zeros()
    both.sort_indices()
    matrix = (both.indptr, both.indices.astype(np.int32), both.data.astype(np.float32))
    for name, array in zip(_PARTS, (np.asarray(idf), *matrix), strict=True):
        write_array(directory / f"{name}.npy", array)


def _counts(documents: Sequence[str]) -> sp.csr_matrix:
    """1 + log of how often each feature occurs, (n_documents, n_features) float32."""
    if not documents:
        return sp.csr_matrix((0, N_FEATURES), dtype=np.float32)
    counts = _vectorizer().transform(document[:TEXT_LIMIT] for document in documents)
    counts = counts.astype(np.float32)
    counts.data = 1 + np.log(counts.data)
    return counts


def _unit(counts: sp.csr_matrix, idf: NDArray[np.float32]) -> sp.csr_array:
    """Tf-idf of documents, rows of length 1."""
    counts.data *= idf[counts.indices]
    norms = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    return sp.csr_array(sp.diags_array(scale) @ counts)


def _vectorizer() -> "HashingVectorizer":
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        analyzer=_features, n_features=N_FEATURES, alternate_sign=False, norm=None
    )


def _features(text: str) -> Iterator[str]:
    from sklearn.feature_extraction.text import strip_accents_unicode

    for token, in_bigrams in sought(strip_accents_unicode(text.lower())):
        if in_bigrams:
            yield from (token[i : i + 2] for i in range(max(1, len(token) - 1)))
        else:
            yield token
            marked = f"<{token}>"
            yield from (marked[i : i + 3] for i in range(len(marked) - 2))
