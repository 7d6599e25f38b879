"""What every recommender is: config in, histories in, scores out.

A recommender scores from a history and not from a user id, so that a new user and the last click
both count. All share the popularity prior that answers an empty history, and the saved form.
"""

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from kinoloop.data.histories import Histories
from kinoloop.errors import BundleError, ConfigError, NotFittedError
from kinoloop.extras import explained
from kinoloop.models.choosing import best_half_life
from kinoloop.models.config import Decay as Decay
from kinoloop.models.config import NegativePopularity as NegativePopularity
from kinoloop.models.config import RecommenderConfig as RecommenderConfig
from kinoloop.models.config import Tied as Tied
from kinoloop.models.prior import popularity_prior
from kinoloop.models.reasons import Explains
from kinoloop.models.state import State as State
from kinoloop.models.state import read_state, write_state
from kinoloop.models.usable import all_numbers, in_shape
from kinoloop.models.validation import Validation as Validation  # plug-ins import it from here
from kinoloop.models.vector_query import AsksByVector
from kinoloop.models.warm_start import WarmStart
from kinoloop.models.watching import Report as Report
from kinoloop.models.watching import silent as silent
from kinoloop.plugins import Plugins
from kinoloop.settings import fault_of

if TYPE_CHECKING:
    from kinoloop.data.catalogue import Catalogue

PRIOR_SHARE = 1e-4  # of popularity, where nothing else tells videos apart
UNCHANGED = np.empty(0, dtype=np.intp)
EXTENSION = "extension.safetensors"
LEARNED_NOWHERE = "no array"  # an extension may be all zero: of videos without content


class Recommender(Explains, AsksByVector, ABC):
    """Scores every video of a catalogue for a history.

    Args:
        config: Typed config of the concrete class.
        seed: Of everything random.

    Attributes:
        checkpoints: Where a recommender that trains for long keeps its checkpoints and goes on
            from; None keeps none.
        trained: Where it was extended, the recommender as it was trained.
        extension: What it knows of videos that it was not trained on; empty where there are none.
        reads_history: Whether a history changes its scores; else popularity answers everybody.
        goes_on: Whether it can go on from an earlier training; what has a closed form cannot.
        warm: The earlier training that `fit` goes on from; None starts anew.
        chosen: Settings that `fit` chose on validation; `config` has them, too.
    """

    Config: ClassVar[type[RecommenderConfig]]
    goes_on: ClassVar[bool] = False
    reads_history: ClassVar[bool] = True
    checkpoints: Path | None = None
    trained: "Recommender | None" = None
    _proven: "Recommender | None" = None
    extension: State = {}  # noqa: RUF012 (replaced, never changed)
    warm: WarmStart | None = None

    def __init__(self, config: RecommenderConfig, *, seed: int = 0) -> None:
        self.config = self._as_built = config
        self.chosen: dict[str, float] = {}
        self.seed = seed
        self._catalogue: Catalogue | None = None
        self._prior: NDArray[np.float32] | None = None

    @property
    def catalogue(self) -> "Catalogue":
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
        catalogue: "Catalogue",
        *,
        validation: Validation | None = None,
        report: Report = silent,
    ) -> Self:
        """Learn from histories.

        Args:
            histories: What users did, training window only.
            catalogue: All videos, including those that nobody has watched yet.
            validation: Histories with held-out next videos, for early stopping, and for choosing
                the settings that the config leaves open.
            report: Receives metrics per epoch.

        Raises:
            DataError: A history names a video that the catalogue does not have.
        """
        histories.check(len(catalogue))
        self._catalogue = catalogue
        self.config, self.chosen = self._as_built, {}
        if validation is not None and "prior_half_life_days" in self.config.left_open:
            self._take_over(prior_half_life_days=best_half_life(self, histories, validation))
        self._prior = popularity_prior(histories, len(catalogue), self.config.prior_half_life_days)
        with explained(f"fitting {self.config.kind}"):
            self._fit(histories, validation, report)
        return self

    @property
    def proven(self) -> "Recommender":
        """The same with the popularity of its training, by which it was measured."""
        return self._proven or self

    def at_popularity(self, prior: NDArray[np.float32]) -> Self:
        """Return the same with another popularity, (n_videos,) float32, such as that of today."""
        other = copy.copy(self)
        other._prior, other._proven = prior, self.proven
        return other

    def _take_over(self, **chosen: float) -> None:
        """Set what was chosen; it is saved, and a fit with these settings chooses nothing."""
        self.config, self.chosen = self.config.model_copy(update=chosen), {**self.chosen, **chosen}

    def learned(self) -> State:
        """Return what a later training can go on from; empty unless it was fitted here."""
        return {}

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Score every video for every row, (n_rows, n_videos) float32; the prior if empty.

        Raises:
            DataError: A history names a video that the catalogue does not have, or `_score` gave
                another shape or NaN.
        """
        prior = self.prior
        histories.check(len(prior))
        scores = in_shape(self._score(histories), histories, len(prior), self.config.kind)
        empty = histories.lengths == 0
        if empty.any():
            scores[empty] = prior
        all_numbers(scores, self.catalogue.ids, self.config.kind)
        return scores

    def _break_ties(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add so little of the prior (of training), in place, that it only orders equals."""
        scores += np.float32(PRIOR_SHARE) * self.proven.prior
        return scores

    def extended(
        self, catalogue: "Catalogue", *, changed: NDArray[np.integer] = UNCHANGED
    ) -> "Recommender":
        """Return this recommender over a catalogue that has grown since it was trained.

        A video that it was not trained on is scored by its content, on the scale of the others,
        and by the prior where it has none. Scores of the others stay as they are.

        Args:
            catalogue: The videos of its own catalogue first, in the same order, then new ones.
            changed: Positions whose content is another one since.

        Raises:
            DataError: The catalogue does not begin with its own.
        """
        from kinoloop.models.extended import check_grown

        base = self.trained or self
        check_grown(self.catalogue, catalogue)
        extension = base._extension(catalogue, self.extension, changed)
        return base._extended_by(catalogue, extension)

    def _extension(
        self, catalogue: "Catalogue", before: State, changed: NDArray[np.integer]
    ) -> State:
        """Find what to know of new and changed videos; `before` is of an earlier extension."""
        from kinoloop.models.extended import anchors_of

        return anchors_of(self, catalogue, before, changed)

    def _extended_by(self, catalogue: "Catalogue", extension: State) -> "Recommender":
        """Return this recommender with what `_extension` gave, also after it was saved."""
        from kinoloop.models.extended import Extended

        return Extended(self, catalogue, extension)

    def save(self, directory: Path) -> None:
        """Write `config.json` and `state.safetensors` (never pickle) into `directory`."""
        if self.trained is not None:
            self.trained.save(directory)
            write_state(directory / EXTENSION, self.extension)
            return
        directory.mkdir(parents=True, exist_ok=True)
        document = {"config": self.config.model_dump(mode="json"), "seed": self.seed}
        (directory / "config.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
        state = {"prior": self.prior, **self._state()}
        write_state(directory / "state.safetensors", state)

    @classmethod
    def load(cls, directory: Path, catalogue: "Catalogue") -> Self:
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
        with explained(f"loading {model.config.kind}"):
            model._restore(state)
        return model

    @abstractmethod
    def _fit(self, histories: Histories, validation: Validation | None, report: Report) -> None:
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


def load(directory: Path, catalogue: "Catalogue") -> Recommender:
    """Load a saved recommender of any kind, extended where it was.

    Raises:
        BundleError: See `Recommender.load`; or its extension is of another catalogue.
    """
    document = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    recommender, more = RECOMMENDERS.get(document["config"]["kind"]), directory / EXTENSION
    if not more.exists():
        return recommender.load(directory, catalogue)
    extension = read_state(more, weights=LEARNED_NOWHERE)
    n_new = len(extension["anchor_trust"])
    trained = recommender.load(directory, catalogue.first(len(catalogue) - n_new))
    return trained._extended_by(catalogue, extension)
