"""Features of a (history, video) pair, in groups that can be switched off one by one.

- content: per modality the cosine with the nearest liked video, with the profile and with the
  nearest disliked video; the share of the history in the video's category and of its creator;
- behaviour: item-kNN score of the video for the history;
- popularity: shows, likes and smoothed rate of likes up to the day before; the prior; likes faded
  over several half-lives, and how the short ones compare with the long ones (`trends.py`);
- user: how much they watched, how far, and how much of it they liked;
- video: duration, age, duration against what they like;
- context: hour of the day;
- situation: surface, device and what else the client said, one column a known value;
- written: how near the video comes to what the user searched and commented lately (`written.py`).

The group `text` (the language model) is no column here: it is a part of the network.
Everything is known when an answer is given; nothing looks ahead.

Shapes: R contexts, K videos of each, L videos of a history, F features.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.models.base import State
from kinoloop.models.neighbours import Neighbours
from kinoloop.ranking.config import Group
from kinoloop.ranking.counts import DailyCounts
from kinoloop.ranking.pairs import NO_VOCABULARY, Pairs
from kinoloop.ranking.trends import Trends
from kinoloop.ranking.vocabulary import Vocabulary
from kinoloop.ranking.written import written_features
from kinoloop.schema import DAY_US

CHUNK_CELLS = 8_000_000  # numbers of the widest array held at a time
OLD_SURFACES = 16  # columns of rankers without a vocabulary; in an answer all of them were 0


@dataclass(frozen=True)
class Knowledge:
    """What features are computed from, besides the pair.

    Attributes:
        catalogue: All videos.
        prior: (n_videos,) time-decayed popularity.
        counts: By video and day.
        neighbours: Of item-kNN, from older behaviour than what is learned from.
        decay: Weight of each video of a history relative to the next newer one.
        vocabulary: Of situations; None in rankers of before there was one.
        half_lives: Of faded likes, days; empty in rankers of before there were any.
    """

    catalogue: Catalogue
    prior: NDArray[np.float32]
    counts: DailyCounts
    neighbours: Neighbours
    decay: float
    vocabulary: Vocabulary | None = None
    half_lives: tuple[float, ...] = ()

    def state(self) -> State:
        """Arrays to save."""
        trends = {"half_lives": np.array(self.half_lives)} if self.half_lives else {}
        return {"prior": self.prior, **trends, **self.counts.state(), **self.neighbours.state()}


class Features:
    """Computes features.

    Args:
        knowledge: What they are computed from.
        groups: Those that are wanted.

    Attributes:
        known: What they are computed from.
        codes: (n_videos,) of categories and creators, −1 where there is none; None where all are.
        seconds: (n_videos,) log of 1 + duration; 0 where unknown.
    """

    def __init__(self, knowledge: Knowledge, groups: tuple[Group, ...]) -> None:
        self.known, self._groups = knowledge, groups
        videos = knowledge.catalogue.videos
        self.codes = {
            "category": _codes(videos, "category"),
            "creator": _codes(videos, "creator_id"),
        }
        self.seconds = np.log1p(np.nan_to_num(durations_of(knowledge.catalogue)))
        self._near = _Lookup(knowledge.neighbours)
        self._trends = Trends(knowledge.counts, knowledge.half_lives)

    def of(self, pairs: Pairs) -> tuple[list[str], NDArray[np.float32]]:
        """Names `group.name`, and (n, n_features) float32 without NaN."""
        asked = pairs.aligned()
        columns = self.columns(asked, self._groups)
        table_RKF = np.empty((*asked.videos_RK.shape, len(columns)), dtype=np.float32)
        for at, column in enumerate(columns.values()):
            table_RKF[:, :, at] = column
        np.nan_to_num(table_RKF, copy=False)
        return list(columns), table_RKF.reshape(len(pairs), len(columns))

    def columns(self, pairs: Pairs, groups: tuple[Group, ...]) -> dict[str, NDArray[Any]]:
        """Columns of some groups, (R, K) each; (R, 1) where all videos of a context share it.

        Args:
            pairs: Aligned.
            groups: In this order; `text` has no columns.
        """
        makers = {
            "content": self._content,
            "behaviour": self._behaviour,
            "popularity": self._popularity,
            "user": self._user,
            "video": self._video,
            "context": self._context,
            "situation": self._situation,
            "written": self._written,
        }
        return {
            f"{group}.{name}": column
            for group in groups
            if group in makers
            for name, column in makers[group](pairs).items()
        }

    def _content(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        signs_R1L = pairs.interest[:, None]
        liked_R1L, disliked_R1L = signs_R1L > 0, signs_R1L < 0
        some_disliked = bool(disliked_R1L.any())
        weights_RL = np.maximum(pairs.interest, 0) * self._recency(pairs)
        weights_RL /= np.maximum(weights_RL.sum(axis=1, keepdims=True), 1e-9)
        weights_RL1 = weights_RL.astype(np.float32)[:, :, None]
        found: dict[str, NDArray[Any]] = {}
        for name, modality in self.known.catalogue.modalities.items():
            cosines_RKL = _cosines(pairs, modality.vectors)
            found[f"{name}_nearest"] = np.maximum.reduce(cosines_RKL * liked_R1L, axis=2)
            found[f"{name}_mean"] = (cosines_RKL @ weights_RL1)[:, :, 0]
            found[f"{name}_disliked"] = (
                np.maximum.reduce(cosines_RKL * disliked_R1L, axis=2)
                if some_disliked
                else np.zeros(pairs.videos_RK.shape, dtype=np.float32)
            )
            found[f"{name}_present"] = modality.present[pairs.videos_RK]
        for name, codes in self.codes.items():
            found[f"{name}_share"] = self._share(codes, pairs, weights_RL1)
        return found

    def _share(
        self, codes: NDArray[np.int64] | None, pairs: Pairs, weights_RL1: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Share of a history that has the value of each video, (R, K); `codes` None: none has."""
        if codes is None:
            return np.zeros((len(pairs.history), 1), dtype=np.float32)
        own_RK = codes[pairs.videos_RK]
        same_RKL = codes[pairs.history][:, None] == own_RK[:, :, None]
        shares_RK = (same_RKL.astype(np.float32) @ weights_RL1)[:, :, 0]
        return np.asarray(shares_RK * (own_RK >= 0))

    def _behaviour(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        weights_RL = (pairs.interest * self._recency(pairs)).astype(np.float32)
        near_RKL = self._near.of(pairs.history, pairs.videos_RK)
        return {
            "near": (near_RKL @ weights_RL[:, :, None])[:, :, 0],
            "nearest": (near_RKL * (weights_RL > 0)[:, None]).max(axis=2),
        }

    def _popularity(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        shape = pairs.videos_RK.shape
        moments = np.repeat(pairs.moments, shape[1])
        counts = self.known.counts.before(pairs.videos, moments)
        trends = self._trends.of(pairs.videos, moments) if self.known.half_lives else {}
        columns = {
            "shows": np.log1p(counts[:, 0]),
            "likes": np.log1p(counts[:, 2]),
            "rate": self.known.counts.smoothed(counts),
            "prior": np.log1p(1000 * self.known.prior[pairs.videos]),
            **trends,
        }
        return {name: column.reshape(shape) for name, column in columns.items()}

    def _user(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        interest, shares = pairs.interest, pairs.shares
        marks = np.array((interest != 0, interest > 0, interest > 1, np.isfinite(shares)))
        kept, liked, loved, known = np.add.reduce(marks, axis=2)
        count = np.maximum(kept, 1)
        watched = np.add.reduce(np.where(marks[3], shares, 0), axis=1) / np.maximum(known, 1)
        columns = {
            "length": np.log1p(pairs.lengths),
            "liked": liked / count,
            "interest": np.add.reduce(interest, axis=1) / count,
            "loved": loved / count,
            "watched": watched,
            "shares_known": known / count,
            "last_share": np.where(marks[3, :, 0], shares[:, 0], 0.5),
            "last_interest": interest[:, 0],
        }
        return {name: column[:, None] for name, column in columns.items()}

    def _video(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        liked_RL = np.maximum(pairs.interest, 0)
        watched_R = (self.seconds[pairs.history] * liked_RL).sum(axis=1)
        usual_R1 = (watched_R / np.maximum(liked_RL.sum(axis=1), 1e-9))[:, None]
        published_RK = self.known.catalogue.published_at[pairs.videos_RK]
        age_RK = (pairs.moments[:, None] - published_RK) / DAY_US
        own_RK, known_RK = self.seconds[pairs.videos_RK], published_RK > 0
        return {
            "duration": own_RK,
            "short": own_RK < np.log1p(10),
            "against_usual": (own_RK - usual_R1) * (usual_R1 > 0),
            "age": np.log1p(np.clip(np.where(known_RK, age_RK, 0), 0, 3650)),
            "age_known": known_RK,
        }

    def _context(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        hour = (pairs.moments % DAY_US) / DAY_US * 2 * np.pi
        columns = {"hour_sin": np.sin(hour), "hour_cos": np.cos(hour)}
        if self.known.vocabulary is None:
            columns |= {f"surface_{s}": np.zeros(len(hour)) for s in range(OLD_SURFACES)}
        return {name: column[:, None] for name, column in columns.items()}

    def _situation(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        vocabulary = self.known.vocabulary or NO_VOCABULARY
        columns = vocabulary.one_hot(pairs.situations).T
        named = zip(vocabulary.names, columns, strict=True)
        return {name: column[:, None] for name, column in named}

    def _written(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        text = self.known.catalogue.modalities.get("text")
        columns = written_features(pairs.wrote, pairs.contexts, pairs.videos, text)
        return {name: column.reshape(pairs.videos_RK.shape) for name, column in columns.items()}

    def _recency(self, pairs: Pairs) -> NDArray[np.float64]:
        return np.asarray(self.known.decay ** np.arange(pairs.history.shape[1]))


def durations_of(catalogue: Catalogue) -> NDArray[np.float64]:
    """(n_videos,) seconds, NaN where unknown."""
    if "duration_s" not in catalogue.videos.columns:
        return np.full(len(catalogue), np.nan)
    seconds = catalogue.videos["duration_s"].cast(float).fill_null(float("nan"))
    return np.asarray(seconds.to_numpy(), dtype=np.float64)


def _codes(videos: Any, column: str) -> NDArray[np.int64] | None:  # noqa: ANN401 (polars.DataFrame)
    """Give each different value a number; −1 where there is none, None where no video has one."""
    if column not in videos.columns or not videos[column].count():
        return None
    values = videos[column].cast(str).fill_null("").to_numpy()
    names, codes = np.unique(values, return_inverse=True)
    return np.where(names[codes] == "", -1, codes)


def _cosines(pairs: Pairs, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each pair's video with each video of its history, (R, K, L); padding is 0."""
    (rows, each), length = pairs.videos_RK.shape, pairs.history.shape[1]
    found_RKL = np.empty((rows, each, length), dtype=np.float32)
    step = max(1, CHUNK_CELLS // max(1, (length + each) * vectors.shape[1]))
    for start in range(0, rows, step):
        part = slice(start, start + step)
        watched = vectors[pairs.history[part]].swapaxes(1, 2)
        np.matmul(vectors[pairs.videos_RK[part]], watched, out=found_RKL[part])
    np.copyto(found_RKL, 0, where=(pairs.interest == 0)[:, None])
    return found_RKL


class _Lookup:
    """Similarity of single pairs of videos in a sparse table.

    Of many histories by binary search; of one, whose neighbours are few, by looking at those.

    Args:
        neighbours: The table.
    """

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._n = neighbours.similarity.shape[0]

    def of(
        self, history_RL: NDArray[np.int32], videos_RK: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Similarity of each video to each of its history, (R, K, L); 0 where no neighbour."""
        if len(history_RL) == 1:
            return self._neighbours.to(history_RL[0], videos_RK[0])[None]
        keys, values = self._sorted
        wanted_RKL = history_RL.astype(np.int64)[:, None] * self._n + videos_RK[:, :, None]
        at = np.searchsorted(keys, wanted_RKL)
        return np.where(keys[at] == wanted_RKL, values[at], np.float32(0))

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        table = self._neighbours.similarity.tocsr(copy=True)
        table.sort_indices()
        rows = np.repeat(np.arange(self._n, dtype=np.int64), np.diff(table.indptr))
        keys = np.append(rows * self._n + table.indices, np.iinfo(np.int64).max)
        return keys, np.append(table.data, np.float32(0))
