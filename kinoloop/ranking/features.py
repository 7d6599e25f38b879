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
"""

from dataclasses import dataclass
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
    """

    def __init__(self, knowledge: Knowledge, groups: tuple[Group, ...]) -> None:
        self._known, self._groups = knowledge, groups
        videos = knowledge.catalogue.videos
        self._category, self._creator = _codes(videos, "category"), _codes(videos, "creator_id")
        self._durations = durations_of(knowledge.catalogue)
        self._near = _Lookup(knowledge.neighbours)
        self._trends = Trends(knowledge.counts, knowledge.half_lives)

    def of(self, pairs: Pairs) -> tuple[list[str], NDArray[np.float32]]:
        """Names `group.name`, and (n, n_features) float32 without NaN."""
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
        columns: dict[str, NDArray[Any]] = {}
        for group in self._groups:
            if group in makers:
                made = makers[group](pairs)
                columns |= {f"{group}.{name}": column for name, column in made.items()}
        if not columns:
            return [], np.zeros((len(pairs), 0), dtype=np.float32)
        return list(columns), np.nan_to_num(np.column_stack(list(columns.values()))).astype(
            np.float32
        )

    def _content(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        recency = self._known.decay ** np.arange(pairs.history.shape[1])
        liked = np.maximum(pairs.interest, 0) * recency
        liked /= np.maximum(liked.sum(axis=1, keepdims=True), 1e-9)
        found: dict[str, NDArray[Any]] = {}
        for name, modality in self._known.catalogue.modalities.items():
            cosines = _cosines(pairs, modality.vectors)
            weights = liked[pairs.contexts]
            signs = pairs.interest[pairs.contexts]
            found[f"{name}_nearest"] = np.where(signs > 0, cosines, 0).max(axis=1)
            found[f"{name}_mean"] = (cosines * weights).sum(axis=1)
            found[f"{name}_disliked"] = np.where(signs < 0, cosines, 0).max(axis=1)
            found[f"{name}_present"] = modality.present[pairs.videos]
        for name, codes in (("category", self._category), ("creator", self._creator)):
            same = codes[pairs.history[pairs.contexts]] == codes[pairs.videos][:, None]
            known = codes[pairs.videos] >= 0
            found[f"{name}_share"] = (same * liked[pairs.contexts]).sum(axis=1) * known
        return found

    def _behaviour(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        recency = self._known.decay ** np.arange(pairs.history.shape[1])
        weights = (pairs.interest * recency)[pairs.contexts]
        near = self._near.of(pairs.history[pairs.contexts], pairs.videos)
        return {"near": (near * weights).sum(axis=1), "nearest": (near * (weights > 0)).max(axis=1)}

    def _popularity(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        moments = pairs.moments[pairs.contexts]
        counts = self._known.counts.before(pairs.videos, moments)
        trends = self._trends.of(pairs.videos, moments) if self._known.half_lives else {}
        return {
            "shows": np.log1p(counts[:, 0]),
            "likes": np.log1p(counts[:, 2]),
            "rate": self._known.counts.smoothed(counts),
            "prior": np.log1p(1000 * self._known.prior[pairs.videos]),
            **trends,
        }

    def _user(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        kept = pairs.interest != 0
        count = np.maximum(kept.sum(axis=1), 1)
        known = np.isfinite(pairs.shares)
        shares = np.where(known, pairs.shares, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        columns = {
            "length": np.log1p(pairs.lengths),
            "liked": (pairs.interest > 0).sum(axis=1) / count,
            "interest": pairs.interest.sum(axis=1) / count,
            "loved": (pairs.interest > 1).sum(axis=1) / count,
            "watched": shares,
            "shares_known": known.sum(axis=1) / count,
            "last_share": np.nan_to_num(pairs.shares[:, 0], nan=0.5),
            "last_interest": pairs.interest[:, 0],
        }
        return {name: column[pairs.contexts] for name, column in columns.items()}

    def _video(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        seconds = np.log1p(np.nan_to_num(self._durations))
        liked = np.maximum(pairs.interest, 0)
        usual = (seconds[pairs.history] * liked).sum(axis=1) / np.maximum(liked.sum(axis=1), 1e-9)
        published = self._known.catalogue.published_at[pairs.videos]
        age = (pairs.moments[pairs.contexts] - published) / DAY_US
        own = seconds[pairs.videos]
        return {
            "duration": own,
            "short": own < np.log1p(10),
            "against_usual": (own - usual[pairs.contexts]) * (usual > 0)[pairs.contexts],
            "age": np.log1p(np.clip(np.where(published > 0, age, 0), 0, 3650)),
            "age_known": published > 0,
        }

    def _context(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        hour = (pairs.moments % DAY_US) / DAY_US * 2 * np.pi
        columns = {"hour_sin": np.sin(hour), "hour_cos": np.cos(hour)}
        if self._known.vocabulary is None:
            columns |= {f"surface_{s}": np.zeros(len(hour)) for s in range(OLD_SURFACES)}
        return {name: column[pairs.contexts] for name, column in columns.items()}

    def _situation(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        vocabulary = self._known.vocabulary or NO_VOCABULARY
        columns = vocabulary.one_hot(pairs.situations).T
        named = zip(vocabulary.names, columns, strict=True)
        return {name: column[pairs.contexts] for name, column in named}

    def _written(self, pairs: Pairs) -> dict[str, NDArray[Any]]:
        text = self._known.catalogue.modalities.get("text")
        return written_features(pairs.wrote, pairs.contexts, pairs.videos, text)


def durations_of(catalogue: Catalogue) -> NDArray[np.float64]:
    """(n_videos,) seconds, NaN where unknown."""
    if "duration_s" not in catalogue.videos.columns:
        return np.full(len(catalogue), np.nan)
    seconds = catalogue.videos["duration_s"].cast(float).fill_null(float("nan"))
    return np.asarray(seconds.to_numpy(), dtype=np.float64)


def _codes(videos: Any, column: str) -> NDArray[np.int64]:  # noqa: ANN401 (polars.DataFrame)
    """Give each different value a number; −1 where there is none."""
    if column not in videos.columns:
        return np.full(len(videos), -1, dtype=np.int64)
    values = videos[column].cast(str).fill_null("").to_numpy()
    names, codes = np.unique(values, return_inverse=True)
    return np.where(names[codes] == "", -1, codes)


def _cosines(pairs: Pairs, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each pair's video with each video of its history, (n, length); padding is 0."""
    length, dim = pairs.history.shape[1], vectors.shape[1]
    found = np.empty((len(pairs), length), dtype=np.float32)
    step = max(1, CHUNK_CELLS // max(1, length * dim))
    for start in range(0, len(pairs), step):
        part = slice(start, start + step)
        at = pairs.contexts[part]
        watched = vectors[pairs.history[at]]
        found[part] = np.einsum("nld,nd->nl", watched, vectors[pairs.videos[part]])
        found[part][pairs.interest[at] == 0] = 0
    return found


class _Lookup:
    """Similarity of single pairs of videos in a sparse table, by binary search.

    Args:
        neighbours: The table.
    """

    def __init__(self, neighbours: Neighbours) -> None:
        table = neighbours.similarity.tocsr(copy=True)
        table.sort_indices()
        self._n, self._values = table.shape[0], np.append(table.data, np.float32(0))
        rows = np.repeat(np.arange(self._n, dtype=np.int64), np.diff(table.indptr))
        self._keys = np.append(rows * self._n + table.indices, np.iinfo(np.int64).max)

    def of(self, history: NDArray[np.int32], videos: NDArray[np.int32]) -> NDArray[np.float32]:
        """Similarity of each video to each of a history, (n, length); 0 where no neighbour."""
        wanted = history.astype(np.int64) * self._n + videos[:, None]
        at = np.searchsorted(self._keys, wanted)
        return np.where(self._keys[at] == wanted, self._values[at], np.float32(0))
