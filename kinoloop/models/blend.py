"""A blend: the weighted sum of several recommenders, collaborative and deep ones alike.

score(u, v) = Σ_k w_k s_k(u, v) / g_k(|u|), with weights w learned on validation (`blending.py`),
and g_k(n) how far the best ten of part k stand above its mean where it reads a history of about n
videos, averaged over users once, when the blend is fitted. So the parts meet on one scale at the
top of the slate, where it matters, and no score depends on another video's: a video that is new,
changed or taken down moves nobody else, as in the parts themselves.

It costs what its parts cost, in time and in memory; parts of weight 0 are dropped. In a retrain it
takes parts that are fitted already, and competes only where it is proven better than the best of
them (docs/explanation/promotion.md). What it recommends is explained by its weightiest part.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.sampling import evenly_spaced
from kinoloop.errors import ConfigError
from kinoloop.models.base import (
    RECOMMENDERS,
    Recommender,
    RecommenderConfig,
    Report,
    State,
    Validation,
    build,
)
from kinoloop.models.blending import TOP, learn_weights, pool_of
from kinoloop.models.extended import over
from kinoloop.models.top_k import best_columns
from kinoloop.models.vector_query import VectorQuery, VideoVectors, summed

LENGTHS = 2 ** np.arange(7)  # histories of up to 1, 2, 4, … videos are on one scale
SCALED_ROWS = 256  # users whose scores tell the scales
CHUNK_CELLS = 8_000_000  # scores held at a time meanwhile: 32 MB


class BlendConfig(RecommenderConfig):
    """What is blended."""

    not_searched: ClassVar[frozenset[str]] = RecommenderConfig.not_searched | {"parts"}

    kind: Literal["blend"] = "blend"
    parts: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Names of candidates, or settings with a `kind`; in a retrain empty is all.",
    )

    @field_validator("parts", mode="before")
    @classmethod
    def _as_settings(cls, parts: Any) -> Any:  # noqa: ANN401 (checked after this)
        if not isinstance(parts, list):
            return parts
        return [{"kind": part} if isinstance(part, str) else part for part in parts]


@RECOMMENDERS.register("blend")
class Blend(Recommender):
    """Scores by the weighted sum of its parts.

    Attributes:
        given: Parts that are fitted already, by name; the others are fitted with the blend.
        like: A blend of the same parts, whose weights stay where there is no validation.
        best_alone: Name of the part that is best alone; "" without validation.
        gains: (n_rows,) NDCG@10 over that part's, by weights that had not seen the row.
    """

    Config = BlendConfig
    config: BlendConfig
    given: Mapping[str, Recommender]
    like: "Blend | None" = None
    _parts: dict[int, Recommender]
    _weights: NDArray[np.float64]  # (n_parts,)
    _scales: NDArray[np.float64]  # (n_parts, n_lengths)

    def __init__(self, config: RecommenderConfig, *, seed: int = 0) -> None:
        super().__init__(config, seed=seed)
        self.given, self.best_alone, self.gains = {}, "", np.zeros(0)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each part, by name."""
        names = [name_of(settings) for settings in self.config.parts]
        return dict(zip(names, self._weights.tolist(), strict=True))

    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:
        settings = self.config.parts
        if len(settings) < 2:
            raise ConfigError(
                f"a blend of {len(settings)} parts; name at least two in `parts`: candidates, "
                "kinds, or settings with a kind"
            )
        evenly = np.full(len(settings), 1 / len(settings))
        self._weights = evenly if self.like is None else self.like._weights
        self._parts = {
            at: self.given.get(name_of(part))
            or _built(part, self.seed).fit(histories, self.catalogue, validation=validation)
            for at, part in enumerate(settings)
            if self._weights[at]
        }
        known = histories if validation is None else validation.histories
        known = known.rows(np.flatnonzero(known.lengths))
        known = known.rows(evenly_spaced(len(known), SCALED_ROWS))
        self._scales = np.ones((len(settings), len(LENGTHS)))
        for at, part in self._parts.items():
            self._scales[at] = [_gap(part, known.last(int(length))) for length in LENGTHS]
        if validation is not None and len(validation.histories):
            self._weigh(validation)
        for name, weight in self.weights.items():
            report(f"weight of {name}", weight, 0)

    def _weigh(self, validation: Validation) -> None:
        """Learn weights of the parts that there are, and drop those of weight 0."""
        places = list(self._parts)
        learned = learn_weights(pool_of([self._scorer(at) for at in places], validation))
        self._weights = np.zeros(len(self.config.parts))
        self._weights[places] = learned.weights
        self.gains = learned.gains
        self.best_alone = name_of(self.config.parts[places[learned.best]])
        self._parts = {at: self._parts[at] for at in places if self._weights[at]}

    def _scorer(self, at: int) -> "_Scaled":
        return _Scaled(self._parts[at], self._scales[at])

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        total = np.zeros((len(histories), len(self.catalogue)), dtype=np.float32)
        for at in self._parts:
            total += np.float32(self._weights[at]) * self._scorer(at)(histories)
        return total

    def video_vectors(self) -> VideoVectors | None:
        """Return those of all parts side by side; None where one has none."""
        found = [part.video_vectors() for part in self._parts.values()]
        if any(one is None for one in found):
            return None
        known = [one for one in found if one is not None]
        standing = np.stack([one.standing for one in known], axis=1)
        vectors = np.hstack([*(one.vectors for one in known), standing])
        return VideoVectors(vectors, np.zeros(len(vectors), dtype=np.float32))

    def vector_query(self, history: Histories) -> VectorQuery | None:
        """Ask each part by its weight, on the scale of its length of history."""
        at = int(np.searchsorted(LENGTHS, min(int(history.lengths[0]), int(LENGTHS[-1]))))
        shares, vectors, videos, more = [], [], [], []
        for place, part in self._parts.items():
            asked = part.vector_query(history)
            if asked is None:
                return None
            shares.append(np.float32(self._weights[place] / self._scales[place, at]))
            vectors.append(shares[-1] * asked.vector)
            videos.append(asked.videos)
            more.append(shares[-1] * asked.more)
        vector = np.concatenate([*vectors, np.array(shares, dtype=np.float32)])
        return VectorQuery(vector, *summed(np.concatenate(videos), np.concatenate(more)))

    def _similarity(
        self, liked: NDArray[np.int32], videos: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        return self._parts[int(np.argmax(self._weights))]._similarity(liked, videos)

    def _state(self) -> State:
        state: State = {"weights": self._weights, "scales": self._scales}
        for at, part in self._parts.items():
            state |= _named(at, {"prior": part.prior, **part._state()})
        return state

    def _restore(self, state: State) -> None:
        self._weights, self._scales, self._parts = state["weights"], state["scales"], {}
        for at, settings in enumerate(self.config.parts):
            own = _own(at, state)
            if own:
                part = _built(settings, self.seed)
                part._catalogue, part._prior = self.catalogue, own.pop("prior")
                part._restore(own)
                self._parts[at] = part

    def _extension(
        self, catalogue: Catalogue, before: State, changed: NDArray[np.integer]
    ) -> State:
        made = super()._extension(catalogue, before, changed)
        for at, part in self._parts.items():
            made |= _named(at, part._extension(catalogue, _own(at, before), changed))
        return made

    def _extended_by(self, catalogue: Catalogue, extension: State) -> Recommender:
        """Extend each part in its own way."""
        grown = over(self, catalogue, extension)
        grown._parts = {
            at: part._extended_by(catalogue, _own(at, extension))
            for at, part in self._parts.items()
        }
        return grown


class _Scaled:
    """A part on the scale of the others.

    Args:
        part: Fitted.
        scales: (n_lengths,) how far its best ten stand above the mean.
    """

    def __init__(self, part: Recommender, scales: NDArray[np.float64]) -> None:
        self._part, self._scales = part, scales

    def __call__(self, histories: Histories) -> NDArray[np.float32]:
        """Scores, (n_rows, n_videos) float32."""
        scores = self._part.score(histories)
        at = np.searchsorted(LENGTHS, np.minimum(histories.lengths, LENGTHS[-1]))
        scores /= self._scales[at, None].astype(np.float32)
        return scores


def name_of(settings: Mapping[str, Any]) -> str:
    """Its `name`, or else its `kind`."""
    return str(settings.get("name") or settings.get("kind", ""))


def _built(settings: Mapping[str, Any], seed: int) -> Recommender:
    return build({name: value for name, value in settings.items() if name != "name"}, seed=seed)


def _gap(part: Recommender, histories: Histories) -> float:
    """How far a part's best ten stand above its mean, averaged over rows; 1 where nowhere."""
    if not len(histories):
        return 1.0
    step, gaps = max(1, CHUNK_CELLS // len(part.catalogue)), []
    for start in range(0, len(histories), step):
        scores = part.score(histories.rows(slice(start, start + step)))
        top = np.take_along_axis(scores, best_columns(scores, TOP), axis=1)
        gaps.append(top.mean(axis=1) - scores.mean(axis=1))
    gap = float(np.concatenate(gaps).mean())
    return gap if np.isfinite(gap) and gap > 1e-9 else 1.0


def _named(at: int, state: State) -> State:
    return {f"{at}.{name}": values for name, values in state.items()}


def _own(at: int, state: State) -> State:
    prefix = f"{at}."
    return {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
