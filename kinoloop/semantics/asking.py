"""Which videos a person should label next: the most uncertain ones, no two of them alike.

Uncertain is a label whose probability is near one half; of a facet, a video whose likeliest answers
("none" is one) lie close together. Of the `POOL` times as many most uncertain videos, k-means makes
as many groups as are asked for, and the most uncertain of each is asked: ten videos of one kind
would teach what one does.

Source: uncertainty sampling, Lewis and Gale (1994); with clusters, Zhdanov (2019), Diverse
mini-batch active learning.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.errors import DataError
from kinoloop.semantics.label_file import Facet, LabelFile

Floats = NDArray[np.float32]

POOL = 5


@dataclass(frozen=True)
class Question:
    """A video to ask about.

    Attributes:
        video_id: Which.
        title: "" without one.
        label: The likeliest one, or the one that is asked about.
        score: Its probability.
        uncertainty: 1 where nothing is known, 0 where all is sure.
    """

    video_id: str
    title: str
    label: str
    score: float
    uncertainty: float


def asked_facet(labels: LabelFile, facet: str, label: str) -> Facet:
    """Find the facet that is asked about.

    Raises:
        DataError: The label file has no such facet, or the facet no such label.
    """
    found = next((one for one in labels.facets if one.name == facet), None)
    if found is None:
        names = ", ".join(one.name for one in labels.facets)
        raise DataError(f"no facet of the label file is called {facet!r}; there are {names}")
    if label and label not in found.labels:
        raise DataError(f"facet {facet!r} has no label {label!r}; it has {', '.join(found.labels)}")
    return found


def questions(
    facet: Facet,
    label: str,
    videos: pl.DataFrame,
    scores: Floats,
    vectors: Mapping[str, Floats],
    *,
    count: int,
) -> list[Question]:
    """Choose the videos and say what is guessed of each.

    Args:
        facet: That is asked about.
        label: Of it; "": which one holds.
        videos: Columns `video_id` and `title`.
        scores: (n, n_labels) of these videos.
        vectors: (n, dim) by modality.
        count: How many.
    """
    names = list(facet.labels)
    column = names.index(label) if label else None
    uncertain = (
        uncertainty_of_facet(scores, many=facet.many)
        if column is None
        else uncertainty_of_label(scores[:, column])
    )
    joined = np.concatenate([vectors[name] for name in sorted(vectors)], axis=1)
    chosen = choose(uncertain, joined, count)
    likeliest = scores.argmax(axis=1) if column is None else np.full(len(scores), column)
    ids, titles = videos["video_id"].to_list(), videos["title"].fill_null("").to_list()
    return [
        Question(
            ids[i], titles[i], names[likeliest[i]], float(scores[i, likeliest[i]]),
            float(uncertain[i]),
        )
        for i in chosen.tolist()
    ]  # fmt: skip


def uncertainty_of_label(scores: Floats) -> Floats:
    """1 where a probability (n,) is one half, 0 where it is sure."""
    found: Floats = 1 - np.abs(2 * scores - 1)
    return found


def uncertainty_of_facet(scores: Floats, *, many: bool) -> Floats:
    """How little one answer stands out, (n,); scores are (n, n_labels) probabilities."""
    if many:
        found: Floats = uncertainty_of_label(scores).max(axis=1)
        return found
    none = np.maximum(1 - scores.sum(axis=1, keepdims=True), 0)
    ordered = np.sort(np.concatenate([scores, none], axis=1), axis=1)
    margin: Floats = 1 - (ordered[:, -1] - ordered[:, -2])
    return margin


def choose(uncertain: Floats, vectors: Floats, count: int) -> NDArray[np.int64]:
    """Choose rows to ask about, the most uncertain first.

    Args:
        uncertain: (n,) from one of the functions above; rows that are known are left out before.
        vectors: (n, dim) of the same videos.
        count: How many.
    """
    from sklearn.cluster import KMeans

    order = np.argsort(-uncertain, kind="stable")
    pool = order[: POOL * count]
    if len(pool) <= count:
        return pool.astype(np.int64)
    groups = KMeans(count, n_init=1, random_state=0).fit_predict(vectors[pool])
    _, first = np.unique(groups, return_index=True)  # the pool is in order: first is surest to ask
    chosen = sorted(first.tolist())
    rest = [i for i in range(len(pool)) if i not in set(chosen)][: count - len(chosen)]
    return pool[np.array([*chosen, *rest], dtype=np.int64)].astype(np.int64)
