"""What every recommender is: config in, histories in, scores out.

A recommender scores from a history and not from a user id, so that a new user and the last click
both count. All share the popularity prior that answers an empty history, and the saved form.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors.numpy import save_file

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.errors import BundleError, ConfigError, NotFittedError
from kinoloop.extras import explained
from kinoloop.models.prior import popularity_prior
from kinoloop.models.shape import in_shape
from kinoloop.models.state import read_state
from kinoloop.plugins import Plugins
from kinoloop.settings import NumbersConfig, fault_of

State = dict[str, NDArray[Any]]
Tied = Mapping[str, tuple[str, tuple[Any, ...]]]  # a setting: another one, and some of its values
Decay = Annotated[
    float,
    Field(gt=0, le=1, description="Weight of each video relative to the next newer one."),
]
NegativePopularity = Annotated[
    float,
    Field(ge=0, le=1, description="Exponent of popularity in drawing negatives; 0 is uniform."),
]
PRIOR_SHARE = 1e-4  # of popularity, where nothing else tells videos apart
REASONS_FROM = 50  # newest liked videos that may be named as a reason


class RecommenderConfig(NumbersConfig):
    """Base of every recommender's config; `kind` names the class.

    Attributes:
        not_searched: Settings that `kinoloop tune` leaves alone: budgets, of which more is always a
            little better, and what does not change a ranking.
        only_with: What changes a result only where another setting has one of some values.
    """

    not_searched: ClassVar[frozenset[str]] = frozenset(
        {"kind", "prior_half_life_days", "epochs", "patience", "iterations", "cpu_threads"}
    )
    only_with: ClassVar[Tied] = {}

    kind: str
    prior_half_life_days: float = Field(
        14.0, gt=0, description="Age at which an event counts half in the popularity prior, days."
    )

    @classmethod
    def make_valid(cls, settings: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG003 (of subclasses)
        """Move drawn settings to the nearest that go together; what is `given` stays."""
        return settings


class Report(Protocol):
    """Receives metrics while a recommender is fitted."""

    def __call__(self, name: str, value: float, step: int) -> None:
        """Report `value` of metric `name` at `step` (an epoch)."""


def silent(name: str, value: float, step: int) -> None:
    """Drop everything: a `Report` that says nothing."""


class Recommender(ABC):
    """Scores every video of a catalogue for a history.

    Args:
        config: Typed config of the concrete class.
        seed: Of everything random.

    Attributes:
        checkpoints: Where a recommender that trains for long keeps its checkpoints and goes on
            from; None keeps none.
    """

    Config: ClassVar[type[RecommenderConfig]]
    checkpoints: Path | None = None

    def __init__(self, config: RecommenderConfig, *, seed: int = 0) -> None:
        self.config = config
        self.seed = seed
        self._catalogue: Catalogue | None = None
        self._prior: NDArray[np.float32] | None = None

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue that was fitted or loaded with.

        Raises:
            NotFittedError: Neither `fit` nor `load` came first.
        """
        if self._catalogue is None:
            raise NotFittedError(f"{self.config.kind} is not fitted: call fit() or load() first")
        return self._catalogue

    @property
    def prior(self) -> NDArray[np.float32]:
        """Time-decayed popularity, (n_videos,) float32 in [0, 1]."""
        if self._prior is None:
            raise NotFittedError(f"{self.config.kind} is not fitted: call fit() or load() first")
        return self._prior

    def fit(
        self,
        histories: Histories,
        catalogue: Catalogue,
        *,
        validation: "Validation | None" = None,
        report: Report = silent,
    ) -> Self:
        """Learn from histories.

        Args:
            histories: What users did, training window only.
            catalogue: All videos, including those that nobody has watched yet.
            validation: Histories with held-out next videos, for early stopping.
            report: Receives metrics per epoch.

        Raises:
            DataError: A history names a video that the catalogue does not have.
        """
        histories.check(len(catalogue))
        self._catalogue = catalogue
        self._prior = popularity_prior(histories, len(catalogue), self.config.prior_half_life_days)
        with explained(f"fitting {self.config.kind}"):
            self._fit(histories, validation, report)
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Score every video for every row, (n_rows, n_videos) float32; the prior if empty.

        Raises:
            DataError: A history names a video that the catalogue does not have, or `_score` gave
                another shape.
        """
        prior = self.prior
        histories.check(len(prior))
        scores = in_shape(self._score(histories), histories, len(prior), self.config.kind)
        empty = histories.lengths == 0
        if empty.any():
            scores[empty] = prior
        return scores

    def _break_ties(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add so little of the prior, in place, that it only orders equals; and return it."""
        scores += np.float32(PRIOR_SHARE) * self.prior
        return scores

    def explain(self, histories: Histories, videos: NDArray[np.integer]) -> list[int | None]:
        """For each recommended video the watched one that speaks most for it.

        The default compares vectors; a recommender that knows better overrides `_similarity`.
        A slate is asked at once, because asking video by video cost more than scoring.

        Args:
            histories: One row.
            videos: (n,) internal indices of the recommended videos, each once.

        Returns:
            Per video the internal index of a liked one; None where nothing speaks for it.
        """
        liked = histories.videos[histories.weights > 0][-REASONS_FROM:]
        if not len(liked):
            return [None] * len(videos)
        similarity = self._similarity(liked, videos)
        similarity[videos[:, None] == liked] = 0  # no video is its own reason
        best = similarity.argmax(axis=1)
        return [
            int(liked[at]) if row[at] > 0 else None
            for row, at in zip(similarity, best.tolist(), strict=True)
        ]

    def similar(self, video: int) -> NDArray[np.float32]:
        """How much one video speaks for each other, (n_videos,) float32; ≤ 0 is not at all."""
        everything = np.arange(len(self.catalogue))
        return self._similarity(np.array([video], dtype=np.int32), everything)[:, 0]

    def save(self, directory: Path) -> None:
        """Write `config.json` and `state.safetensors` (never pickle) into `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        document = {"config": self.config.model_dump(mode="json"), "seed": self.seed}
        (directory / "config.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
        state = {"prior": self.prior, **self._state()}
        contiguous = {name: np.ascontiguousarray(array) for name, array in state.items()}
        save_file(contiguous, directory / "state.safetensors")

    @classmethod
    def load(cls, directory: Path, catalogue: Catalogue) -> Self:
        """Read what `save` wrote.

        Args:
            directory: What `save` wrote.
            catalogue: The catalogue that it was fitted with.

        Raises:
            BundleError: The state does not fit the catalogue, is not finite, or is all zero.
        """
        document = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        model = cls(cls.Config.model_validate(document["config"]), seed=document["seed"])
        state = read_state(directory / "state.safetensors")
        model._catalogue = catalogue
        model._prior = state.pop("prior")
        if len(model._prior) != len(catalogue):
            raise BundleError(
                f"{directory}: fitted on {len(model._prior)} videos, "
                f"got a catalogue of {len(catalogue)}; load both from the same bundle"
            )
        model._restore(state)
        return model

    def _similarity(
        self, liked: NDArray[np.int32], videos: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """How much each liked video speaks for each of `videos`; ≤ 0 is not at all.

        Returns:
            (n_videos, n_liked) float32, writable.
        """
        total = np.zeros((len(videos), len(liked)), dtype=np.float32)
        for modality in self.catalogue.modalities.values():
            total += modality.vectors[videos] @ modality.vectors[liked].T
        return total

    @abstractmethod
    def _fit(self, histories: Histories, validation: "Validation | None", report: Report) -> None:
        """Learn; `self.catalogue` and `self.prior` are set."""

    @abstractmethod
    def _score(self, histories: Histories) -> NDArray[np.float32]:
        """Score; a fresh writable array; rows that are empty are overwritten by the prior."""

    @abstractmethod
    def _state(self) -> State:
        """Arrays to save."""

    @abstractmethod
    def _restore(self, state: State) -> None:
        """Take back what `_state` gave; `self.catalogue` and `self.prior` are set."""


class Scorer(Protocol):
    """Scores every video for every row."""

    def __call__(self, histories: Histories) -> NDArray[np.float32]:
        """Scores, (n_rows, n_videos) float32."""


class Validation(Protocol):
    """Histories with the next videos that were held out (`kinoloop.evaluation.split.Holdout`)."""

    @property
    def histories(self) -> Histories:
        """What was known."""

    @property
    def targets(self) -> Histories:
        """What came next, row by row."""

    def ndcg(self, score: Scorer, *, k: int = 10, max_rows: int = 5000) -> float:
        """NDCG@k of a scorer on the first `max_rows` rows, full ranking, seen videos excluded."""


RECOMMENDERS: Plugins[type[Recommender]] = Plugins(
    "kinoloop.models", "recommender", group="kinoloop.recommenders", base=Recommender
)


def build(settings: Mapping[str, Any], *, seed: int = 0) -> Recommender:
    """Build an unfitted recommender from its settings, such as `{"kind": "item_knn"}`.

    Raises:
        ConfigError: No recommender is called that, or a setting or the seed is wrong.
    """
    kind = settings.get("kind", "")
    recommender = RECOMMENDERS.get(str(kind))
    try:
        config = recommender.Config.model_validate(dict(settings))
    except ValidationError as err:
        raise ConfigError(f"recommender {kind!r}: {fault_of(err, recommender.Config)}") from err
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(f"the seed is {seed!r}, expected a whole number from 0 up")
    return recommender(config, seed=seed)


def load(directory: Path, catalogue: Catalogue) -> Recommender:
    """Load a saved recommender of any kind."""
    document = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    return RECOMMENDERS.get(document["config"]["kind"]).load(directory, catalogue)
