"""Labels learned from the catalogue's own: a logistic head over a video's vectors.

Where a platform has named categories or tags for some videos, a head learns them and names them
for the others. One video in five is held out by a hash of its id; the head is used only if, on
those, it beats the base rate: for categories micro- and macro-F1 of always saying the most frequent
one, for a tag the F1 of always saying yes, 2p / (1 + p).

Source: linear probes on frozen features, Radford et al. (2021), section 3.2.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

HELD_OUT = 5
"""One in so many."""

MAX_TRAINING = 5_000
"""Videos that a head learns from at most: their words are encoded again, without the answer."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class HeadReport:
    """How a head did on videos that it had not seen.

    Attributes:
        name: `category`, or `tag` and its name.
        classes: How many.
        videos: Learned from.
        held_out: Measured on.
        micro_f1: Of the head.
        macro_f1: Of the head.
        base_micro_f1: Of the base rate.
        base_macro_f1: Of the base rate.
    """

    name: str
    classes: int
    videos: int
    held_out: int
    micro_f1: float
    macro_f1: float
    base_micro_f1: float
    base_macro_f1: float

    @property
    def used(self) -> bool:
        """Whether it beats the base rate."""
        return self.micro_f1 > self.base_micro_f1 and self.macro_f1 > self.base_macro_f1


@dataclass(frozen=True)
class Head:
    """What was learned: probability of each class by a softmax or sigmoid of x · weights + bias."""

    classes: tuple[str, ...]
    weights: Floats = field(repr=False)
    bias: Floats = field(repr=False)

    def score(self, vectors: Floats) -> Floats:
        """(n, n_classes) float32, rows sum to 1; a head of one class gives its probability."""
        logits = vectors @ self.weights.T + self.bias
        if len(self.classes) == 1:
            single: Floats = (1 / (1 + np.exp(-np.clip(logits, -60, 60)))).astype(np.float32)
            return single
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        return shares


def learn_category(
    video_ids: Sequence[str],
    vectors: Floats,
    categories: Sequence[str | None],
    *,
    min_videos: int,
    min_class: int,
) -> tuple[Head, HeadReport] | None:
    """Learn which category a video has.

    Args:
        video_ids: Of the rows.
        vectors: (n, dim) fused vectors; a zero row is not learned from.
        categories: None where unknown.
        min_videos: Fewer with a category teach nothing.
        min_class: Categories of fewer videos are not learned.

    Returns:
        The head and how it did; None where there is too little, or only one category.
    """
    sizes = Counter(c for c in categories if c)
    kept = {c for c, n in sizes.items() if n >= min_class}
    rows = [i for i, c in enumerate(categories) if c in kept and vectors[i].any()]
    if len(rows) < min_videos or len(kept) < 2:
        return None
    named = np.array([categories[i] for i in rows], dtype=object).astype(str)
    return _learn("category", [video_ids[i] for i in rows], vectors[rows], named)


def learn_tags(
    video_ids: Sequence[str],
    vectors: Floats,
    tags: Sequence[Sequence[str] | None],
    *,
    min_videos: int,
    min_class: int,
) -> list[tuple[Head, HeadReport]]:
    """Learn each tag that enough videos carry, one head per tag; see `learn_category`."""
    rows = [i for i, row in enumerate(tags) if row and vectors[i].any()]
    if len(rows) < min_videos:
        return []
    lowered = [{tag.strip().lower() for tag in tags[i] or ()} for i in rows]
    sizes = Counter(tag for row in lowered for tag in row)
    ids, known = [video_ids[i] for i in rows], vectors[rows]
    found = []
    for tag, size in sorted(sizes.items()):
        if min_class <= size <= len(rows) - min_class:
            carried = np.array(["yes" if tag in row else "" for row in lowered])
            found.append(_learn(tag, ids, known, carried))
    return found


def _learn(
    name: str, video_ids: Sequence[str], vectors: Floats, truth: NDArray[np.str_]
) -> tuple[Head, HeadReport]:
    from sklearn.linear_model import LogisticRegression

    out = np.array([_is_held_out(video_id) for video_id in video_ids])
    training = np.flatnonzero(~out)[:MAX_TRAINING]
    model = LogisticRegression(C=10.0, max_iter=300)
    model.fit(vectors[training], truth[training])
    said = model.predict(vectors[out])
    frequent = Counter(truth[training]).most_common(1)[0][0]
    binary = "yes" in truth and set(truth) == {"yes", ""}
    base = np.full(len(said), "yes" if binary else frequent)
    report = HeadReport(
        name=f"tag {name}" if binary else name,
        classes=1 if binary else len(model.classes_),
        videos=len(training),
        held_out=int(out.sum()),
        **_f1(truth[out], said, binary=binary),
        **{f"base_{key}": value for key, value in _f1(truth[out], base, binary=binary).items()},
    )
    if binary:  # classes_ is sorted: "" before "yes"
        return Head((name,), *_float32(model.coef_, model.intercept_)), report
    if len(model.classes_) == 2:  # one row of weights speaks for the second class
        weights = np.stack([np.zeros_like(model.coef_[0]), model.coef_[0]])
        bias = np.array([0.0, model.intercept_[0]])
        return Head(tuple(model.classes_), *_float32(weights, bias)), report
    return Head(tuple(model.classes_), *_float32(model.coef_, model.intercept_)), report


def _f1(truth: NDArray[np.str_], said: NDArray[np.str_], *, binary: bool) -> dict[str, float]:
    from sklearn.metrics import f1_score

    if not len(truth):
        return {"micro_f1": 0.0, "macro_f1": 0.0}
    if binary:
        one = float(f1_score(truth == "yes", said == "yes", zero_division=0))
        return {"micro_f1": one, "macro_f1": one}
    return {
        f"{average}_f1": float(f1_score(truth, said, average=average, zero_division=0))
        for average in ("micro", "macro")
    }


def _float32(*arrays: NDArray[np.floating]) -> list[Floats]:
    return [np.asarray(array, dtype=np.float32) for array in arrays]


def _is_held_out(video_id: str) -> bool:
    return hashlib.sha256(video_id.encode()).digest()[0] % HELD_OUT == 0
