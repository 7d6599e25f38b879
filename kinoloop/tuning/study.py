"""A study: trials of one candidate on the validation window, resumable by name, bounded in time.

The first trial is the defaults, so that the search never ends below them. A trial that reports
validation NDCG@10 while it is fitted is pruned when it lags behind the median of the earlier ones
at the same epoch. The test window is never looked at. Trials live in one SQLite file; a study that
is asked for again under its name goes on, on the same data only.

Source: Bergstra et al., NIPS 2011 (tree-structured Parzen estimator), by Optuna.
"""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from threadpoolctl import threadpool_limits

from kinoloop.errors import ConfigError
from kinoloop.models.base import RECOMMENDERS, Report
from kinoloop.settings import Config, FrozenRecord
from kinoloop.training.model_selection import TrainingData, build_candidate
from kinoloop.tuning.space import Dimension, default_point, draw, search_space, settings_of

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

METRIC = "validation_ndcg@10"
WARMUP_TRIALS = 4  # drawn and finished before any is pruned
OUT_OF_TIME = "out of time"
ENDED = ("complete", "pruned", OUT_OF_TIME, "fail")


class Attempt(NamedTuple):
    """One trial, as it ended.

    Attributes:
        number: From 0, the defaults.
        value: Validation NDCG@10; None where it did not finish.
        state: `complete`, `pruned`, `out of time` (the budget ended before it did) or `fail`.
        settings: Of the candidate.
        seconds: It took.
    """

    number: int
    value: float | None
    state: str
    settings: dict[str, Any]
    seconds: float


class Tuned(FrozenRecord):
    """What a study has found so far.

    Attributes:
        name: Of the study.
        settings: The best, ready for `[[retrain.candidates]]`.
        best: Validation NDCG@10 of the best.
        default: The same of the defaults; None where their trial did not finish.
        trials: All that ended, those of earlier runs included.
        pruned: Of them, how many were given up early.
        out_of_time: Of them, how many the time budget stopped: a faster machine finishes them.
        left_out: Trials that were asked for this time and not begun, for lack of time.
    """

    name: str
    settings: dict[str, Any]
    best: float
    default: float | None
    trials: int
    pruned: int
    out_of_time: int = 0
    left_out: int = 0


class StudyConfig(Config):
    """What is searched, and for how long.

    Attributes:
        name: Of the study.
        candidate: Settings that stay, `kind` among them.
        minutes: Budget; a trial that is running when it ends is stopped at its next epoch. What it
            stops and leaves out is told in the result.
        seed: Of everything random.
        data: What identifies data and split; a study goes on only on the same.
        max_trials: Of this run; None is as many as the time allows.
    """

    name: str
    candidate: dict[str, Any]
    minutes: float
    seed: int
    data: str
    max_trials: int | None = None


def tune(
    search: StudyConfig,
    data: TrainingData,
    storage: Path,
    *,
    tried: Callable[[Attempt], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Tuned:
    """Search.

    Args:
        search: What, and for how long.
        data: Data and split; of the holdouts only validation is used.
        storage: The SQLite file; made where missing.
        tried: Is told of each trial that ends.
        clock: Seconds; the budget is counted by it.

    Raises:
        ConfigError: The study was made of other data or for another kind, nothing can be searched,
            or no trial finished in time.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config_type = RECOMMENDERS.get(str(search.candidate.get("kind", ""))).Config
    given = search.candidate
    build_candidate(given, seed=search.seed)
    space = search_space(config_type, given)
    if not space:
        raise ConfigError(f"{given['kind']} has nothing to search: every setting is given or fixed")
    storage.parent.mkdir(parents=True, exist_ok=True)
    study = _study(search, storage)
    before, objective = len(study.trials), _Objective(search, data, space, clock=clock)
    if not before:
        study.enqueue_trial(default_point(space, config_type))

    def report_trial(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        tried(_attempt(trial))
        if objective.is_late:
            study.stop()

    study.optimize(
        objective,
        n_trials=search.max_trials,
        callbacks=[report_trial],
        catch=(MemoryError, FloatingPointError, _UnfitError),
    )
    return _found(study, search, begun=len(study.trials) - before)


class _UnfitError(Exception):
    """Settings that were drawn do not go together; the search goes on."""


class _Objective:
    """Validation NDCG@10 of what a trial draws.

    Args:
        search: What, and for how long from now.
        data: Data and split.
        space: To draw from.
        clock: Seconds.
    """

    def __init__(
        self,
        search: StudyConfig,
        data: TrainingData,
        space: Mapping[str, Dimension],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._search, self._data, self._space = search, data, space
        self._clock, self._deadline = clock, clock() + 60 * search.minutes

    @property
    def is_late(self) -> bool:
        """Whether the budget is used up."""
        return self._clock() > self._deadline

    def __call__(self, trial: "optuna.Trial") -> float:
        given, seed = self._search.candidate, self._search.seed
        config_type = RECOMMENDERS.get(str(given["kind"])).Config
        settings = settings_of(draw(trial, self._space, config_type), given, config_type)
        trial.set_user_attr("settings", settings)
        split = self._data.split
        try:
            recommender = build_candidate(settings, seed=seed)
            with threadpool_limits(limits=1):
                recommender.fit(
                    split.train,
                    self._data.catalogue,
                    validation=split.validation,
                    report=self._reporting(trial),
                )
                return split.validation.ndcg(recommender.score)
        except ConfigError as err:
            if trial.number == 0:  # the candidate itself is wrong
                raise
            raise _UnfitError(str(err)) from err

    def _reporting(self, trial: "optuna.Trial") -> Report:
        import optuna

        def report(name: str, value: float, step: int) -> None:
            if name == METRIC:
                trial.report(value, step)
                if trial.should_prune():
                    raise optuna.TrialPruned
            if self.is_late:
                trial.set_user_attr(OUT_OF_TIME, value=True)
                raise optuna.TrialPruned

        return report


def _study(search: StudyConfig, storage: Path) -> Any:  # noqa: ANN401 (optuna is imported late)
    import optuna

    study = optuna.create_study(
        storage=f"sqlite:///{storage}",
        study_name=search.name,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=WARMUP_TRIALS, n_warmup_steps=1),
    )
    identity = {"data": search.data, "candidate": search.candidate}
    known = study.user_attrs.get("identity", identity)
    for part, expected in known.items():
        if identity[part] != expected:
            raise ConfigError(
                f"study {search.name!r} in {storage} was made with {part} {expected!r}, now it is "
                f"{identity[part]!r}; give a new --name"
            )
    study.set_user_attr("identity", identity)
    # A study that goes on must not draw again what it began with.
    study.sampler = optuna.samplers.TPESampler(seed=search.seed + len(study.trials))
    return study


def _found(study: Any, search: StudyConfig, *, begun: int) -> Tuned:  # noqa: ANN401 (see _study)
    attempts = [_attempt(trial) for trial in study.trials]
    complete = [a for a in attempts if a.state == "complete" and a.value is not None]
    if not complete:
        raise ConfigError(
            f"study {search.name!r}: no trial finished in {search.minutes:g} minutes; give more "
            "(--minutes); the same name continues the study"
        )
    best = max(complete, key=lambda attempt: attempt.value or 0.0)
    first = attempts[0]
    return Tuned(
        name=search.name,
        settings=best.settings,
        best=best.value or 0.0,
        default=first.value if first.state == "complete" else None,
        trials=sum(a.state in ENDED for a in attempts),
        pruned=sum(a.state == "pruned" for a in attempts),
        out_of_time=sum(a.state == OUT_OF_TIME for a in attempts),
        left_out=max(0, (search.max_trials or 0) - begun),
    )


def _attempt(trial: Any) -> Attempt:  # noqa: ANN401 (see _study)
    state = OUT_OF_TIME if trial.user_attrs.get(OUT_OF_TIME) else trial.state.name.lower()
    return Attempt(
        number=trial.number,
        value=trial.value if state == "complete" else None,
        state=state,
        settings=trial.user_attrs.get("settings", {}),
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
    )
