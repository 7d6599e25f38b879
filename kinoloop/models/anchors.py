"""Anchors: the trained videos that a video unknown to training is most like, by content.

What a model learned of behaviour it learned of the videos it was trained on. Of a video that came
later it knows what its nearest watched neighbours tell: score(new) = μ + t (Σ_a w_a score(a) − μ),
with μ the mean of the row, w the weights of the anchors and t, in [0, 1], how like they are. So a
new video stands on the scale of the others, nearer to the middle the less is known of it, and no
other score moves. A video without content has no anchors: it gets what the prior gives, nothing.

Source: content-based nearest neighbours for cold items, Gantner et al., ICDM 2010, section III.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.fusion import FusionConfig, centre
from kinoloop.data.histories import Histories
from kinoloop.models.top_k import best_columns
from kinoloop.models.vector_query import summed

NEAREST = 10
"""Anchors of a video."""

POWER = 4.0
"""Of the similarity in an anchor's weight: the nearest ones say the most."""

BLOCK_CELLS = 16_000_000  # similarities held at a time: 64 MB


@dataclass(frozen=True)
class Anchors:
    """Trained videos that stand for new ones; rows in the order of the catalogue.

    Attributes:
        videos: (n_new, NEAREST) int32, nearest first.
        weights: (n_new, NEAREST) float32, of sum 1; all 0 where a video has no content.
        trust: (n_new,) float32 in [0, 1].
    """

    videos: NDArray[np.int32]
    weights: NDArray[np.float32]
    trust: NDArray[np.float32]
    _by_trained: tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.float32]] | None = field(
        default=None, init=False, compare=False, repr=False
    )

    def __len__(self) -> int:
        return len(self.videos)

    def appended(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of all videos, (n_rows, n_trained + n_new), from those of the trained ones."""
        middle = scores.mean(axis=1, keepdims=True)
        told = np.einsum("rnk,nk->rn", scores[:, self.videos], self.weights)
        new = np.where(self.trust > 0, middle + self.trust * (told - middle), 0)
        return np.concatenate([scores, new.astype(np.float32)], axis=1)

    def told(
        self, videos: NDArray[np.integer], values: NDArray[np.float32], n_trained: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Values of new videos from those of some trained ones: positions, ascending, and values.

        Args:
            videos: (n,) positions of trained videos, each once; all others have none.
            values: (n,) float32.
            n_trained: Videos before the new ones.
        """
        starts, new, weights = self._standing_for(n_trained)
        spans = [slice(starts[v], starts[v + 1]) for v in videos.tolist()]
        if not spans:
            return np.empty(0, np.intp), np.empty(0, np.float32)
        each = np.repeat(values, starts[videos + 1] - starts[videos])
        at, told = summed(
            np.concatenate([new[span] for span in spans]),
            each * np.concatenate([weights[span] for span in spans]),
        )
        return at + n_trained, told * self.trust[at]

    def _standing_for(
        self, n_trained: int
    ) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.float32]]:
        """Return the new videos each trained one stands for: offsets, their places, weights."""
        if self._by_trained is None:
            videos = self.videos.ravel()
            order = np.argsort(videos, kind="stable")
            starts = np.searchsorted(videos[order], np.arange(n_trained + 1))
            found = starts, order // NEAREST, self.weights.ravel()[order]
            object.__setattr__(self, "_by_trained", found)  # at once: threads may ask meanwhile
            return found
        return self._by_trained

    def rows(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weighted means of rows of the trained videos, (n_new, d) of (n_trained, d)."""
        return np.asarray(np.einsum("nkd,nk->nd", values[self.videos], self.weights), np.float32)

    def prior(self, prior: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the prior of all videos; a new one has a part of its neighbours'."""
        new = self.trust * np.einsum("nk,nk->n", prior[self.videos], self.weights)
        return np.concatenate([prior, new.astype(np.float32)])

    def folded(self, histories: Histories, n_trained: int) -> Histories:
        """Histories in which a new video is its nearest trained one, damped; else it is left out.

        Args:
            histories: Of the grown catalogue.
            n_trained: Videos before the new ones.
        """
        new = histories.videos >= n_trained
        if not new.any():
            return histories
        at = histories.videos[new] - n_trained
        videos, weights = histories.videos.copy(), histories.weights.copy()
        videos[new] = np.where(self.trust[at] > 0, self.videos[at, 0], -1)
        weights[new] *= self.trust[at]
        row_of = histories.row_of
        key = row_of * np.int64(n_trained + 1) + videos
        order = np.lexsort((new, key))  # what was really watched comes before what stands in
        first = np.ones(len(order), dtype=np.bool_)
        first[1:] = key[order][1:] != key[order][:-1]
        kept = np.zeros(len(order), dtype=np.bool_)
        kept[order] = first
        folded = Histories(
            offsets=histories.offsets,
            videos=videos,
            weights=weights,
            timestamps=histories.timestamps,
            kinds=histories.kinds,
            watch_shares=histories.watch_shares,
            user_ids=histories.user_ids,
        )
        return folded.select(kept & (videos >= 0))

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Arrays to save."""
        return {
            "anchor_videos": self.videos,
            "anchor_weights": self.weights,
            "anchor_trust": self.trust,
        }

    @classmethod
    def from_state(cls, state: "dict[str, NDArray[np.generic]]") -> "Anchors":
        """Take back what `state` gave."""
        return cls(
            np.asarray(state["anchor_videos"], dtype=np.int32),
            np.asarray(state["anchor_weights"], dtype=np.float32),
            np.asarray(state["anchor_trust"], dtype=np.float32),
        )

    @classmethod
    def none(cls, n_new: int) -> "Anchors":
        """Anchors of videos without content."""
        shape = (n_new, NEAREST)
        return cls(
            np.zeros(shape, np.int32), np.zeros(shape, np.float32), np.zeros(n_new, np.float32)
        )


def find_anchors(
    catalogue: Catalogue,
    asked: NDArray[np.integer],
    *,
    eligible: NDArray[np.bool_],
    weights: FusionConfig | None = None,
) -> Anchors:
    """Find the nearest trained videos of some others.

    Args:
        catalogue: Trained videos first.
        asked: (n,) positions.
        eligible: (n_trained,) which of the trained videos may stand for others.
        weights: Of the modalities; the defaults where None.
    """
    found = Anchors.none(len(asked))
    k = min(NEAREST, int(eligible.sum()))
    if not k or not len(asked):
        return found
    trained, weighing = catalogue.first(len(eligible)).modalities, weights or FusionConfig()
    centres = {name: m.centred or centre(m) for name, m in trained.items() if weighing.of(name)}
    step = max(1, BLOCK_CELLS // len(eligible))
    for start in range(0, len(asked), step):
        part = slice(start, start + step)
        similarity = np.zeros((len(asked[part]), len(eligible)), dtype=np.float32)
        known = np.full((len(similarity), 1), 1e-9, dtype=np.float32)
        for name, (mean, scales) in centres.items():
            weight, here = np.float32(weighing.of(name)), catalogue.modalities[name].present
            own = catalogue.modalities[name].vectors[asked[part]] - mean
            length = np.maximum(np.linalg.norm(own, axis=1), np.float32(1e-6))
            own *= (weight * here[asked[part]] / length)[:, None]
            similarity += (own @ trained[name].vectors.T - (own @ mean)[:, None]) * scales
            known += weight * here[asked[part]][:, None]
        similarity /= known
        similarity[:, ~eligible] = -np.inf
        top = best_columns(similarity, k)
        near = np.clip(np.take_along_axis(similarity, top, axis=1), 0, 1)
        powered = near**POWER
        total = powered.sum(axis=1, keepdims=True)
        share = np.divide(powered, total, out=np.zeros_like(powered), where=total > 0)
        found.videos[part, :k], found.weights[part, :k] = top, share
        found.trust[part] = (share * near).sum(axis=1)
    return found
