"""Model selection: the same split for all candidates, chosen on validation, reported on test.

The winner is chosen on the validation window and measured on the test window, which nothing was
chosen by. What was measured is what is released: nobody is fitted again on the test window, so
the newest days are missing from the parameters (never from the histories they score), which is
the price of a proof that holds for the very bytes that serve. See docs/explanation/promotion.md.
"""

import hashlib
import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from threadpoolctl import threadpool_limits

from kinoloop.data.catalogue import Catalogue, load_catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.joint import Joint
from kinoloop.data.sampling import evenly_spaced
from kinoloop.data.tables import Tables
from kinoloop.encoders.recorded import with_written
from kinoloop.errors import BundleError, ConfigError, DataError
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.metrics.base import ACCURACY, metrics_of
from kinoloop.evaluation.split import Split, leave_one_out, temporal_split
from kinoloop.models.base import Recommender, build
from kinoloop.models.blend import Blend, name_of
from kinoloop.settings import Config
from kinoloop.training.before_after import Measured, measure_stages
from kinoloop.training.blending import blended_of, with_parts
from kinoloop.training.contrastive import ContrastiveConfig, with_joint
from kinoloop.training.outcome import Outcome, TrainedCandidate
from kinoloop.training.refresh import RefreshConfig
from kinoloop.training.warm_start import Parent, WarmStartConfig, origin_of

logger = logging.getLogger(__name__)

CANDIDATES: tuple[dict[str, Any], ...] = (
    {"kind": "popularity"},
    {"kind": "item_knn"},
    {"kind": "user_knn"},
    {"kind": "ease"},
    {"kind": "biased_mf"},
    {"kind": "content_cosine"},
    {"kind": "concat_match"},
    {"kind": "sequence"},
    {"kind": "llm"},
)


class SplitConfig(Config):
    """How interactions are cut into training, validation and test."""

    split: Literal["temporal", "leave_one_out"] = Field(
        "temporal", description="One cut in time for all; leave_one_out: as in papers."
    )
    validation_days: float = Field(3.0, gt=0, description="Window that chooses the winner, days.")
    test_days: float = Field(4.0, gt=0, description="Newest window, which proves it, days.")
    max_users: int = Field(
        20_000, ge=1, description="Users measured per window, evenly spaced; bounds the time."
    )


class RetrainConfig(SplitConfig, WarmStartConfig, RefreshConfig):
    """Section `[retrain]`: the candidates, and what they are compared on."""

    min_interactions: int = Field(
        1_000, ge=1, description="Fewer interactions than this prove nothing."
    )
    min_users: int = Field(20, ge=1, description="Fewer users in a window than this prove nothing.")
    seed: int = Field(0, ge=0, description="Of everything random.")
    extra_metrics: list[str] = Field(
        default_factory=list, description="Further accuracy metrics, such as those of a plug-in."
    )
    before_after: bool = Field(
        default=True,
        description="Fit what is fine-tuned also as it comes and with a frozen backbone.",
    )
    lock_wait_s: float = Field(
        21_600.0, ge=0, description="How long to wait for another retrain to end."
    )
    candidates: list[dict[str, Any]] = Field(
        default_factory=lambda: [dict(candidate) for candidate in CANDIDATES],
        min_length=1,
        description="Each a recommender's `kind` and settings, and a `name` where kinds repeat.",
    )

    @field_validator("candidates")
    @classmethod
    def _blends_come_last(cls, candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return with_parts(candidates)

    @model_validator(mode="after")
    def _names_differ(self) -> "RetrainConfig":
        names = [candidate_name(candidate) for candidate in self.candidates]
        odd = [name for name in names if not re.fullmatch(r"[\w.-]{1,60}", name)]
        if odd:
            raise ValueError(
                f"a candidate is called {odd[0]!r}; use letters, digits, `-`, `_`, `.`"
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two candidates are called {twice[0]!r}; give each a `name`")
        return self

    def digest(self, *others: Config) -> str:
        """Hex digest of these settings and others, for telling finished work from new work.

        How long a run waits for another does not change what it makes, nor what comes after it.
        """
        mine = self.model_dump(mode="json", exclude={"lock_wait_s", *RefreshConfig.model_fields})
        settings = [mine, *(config.model_dump(mode="json") for config in others)]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TrainingData:
    """What all candidates get.

    Attributes:
        catalogue: All videos.
        histories: All that is known, newest included.
        split: The same, cut.
        metrics: Names of the accuracy metrics that are measured.
        joint: What makes the joint vectors of the catalogue; None where it has none.
        fitted: Candidates that are fitted already, by name; a blend takes its parts from them.
    """

    catalogue: Catalogue
    histories: Histories
    split: Split
    metrics: tuple[str, ...] = ACCURACY
    joint: Joint | None = None
    fitted: Mapping[str, Recommender] = field(default_factory=dict)


def candidate_name(settings: dict[str, Any]) -> str:
    """Its `name`, or else its `kind`."""
    return name_of(settings)


def build_candidate(settings: dict[str, Any], *, seed: int) -> Recommender:
    """Build an unfitted candidate.

    Raises:
        ConfigError: A setting is wrong; the message names candidate and setting.
    """
    name = candidate_name(settings)
    try:
        return build({k: v for k, v in settings.items() if k != "name"}, seed=seed)
    except ConfigError as err:
        raise ConfigError(f"[[retrain.candidates]] {name}: {err}") from err


def load_training_data(
    tables: Tables,
    config: RetrainConfig,
    interest: InterestConfig,
    *,
    written: bool = False,
    contrastive: ContrastiveConfig | None = None,
) -> TrainingData:
    """Read catalogue (joint vectors, too, if wanted) and histories (what users wrote), and split.

    Raises:
        DataError: There is too little to learn from.
        ConfigError: No metric has one of the names of `extra_metrics`.
    """
    metrics = tuple(dict.fromkeys((*ACCURACY, *config.extra_metrics)))
    metrics_of(metrics)
    catalogue, joint = with_joint(load_catalogue(tables), contrastive or ContrastiveConfig())
    histories = load_histories(tables, catalogue.ids, interest)
    if len(histories.videos) < config.min_interactions:
        raise DataError(
            f"{len(histories.videos)} interactions of {len(histories)} users with "
            f"{len(catalogue)} videos in {tables.root}, expected at least "
            f"{config.min_interactions} ([retrain] min_interactions); ingest more events"
        )
    if written:
        histories = with_written(histories, tables, catalogue.fingerprints)
    split = cut(histories, config)
    for name, window in (("validation", split.validation), ("test", split.test)):
        if len(window) < config.min_users:
            raise DataError(
                f"the {name} window has {len(window)} users, expected at least "
                f"{config.min_users} ([retrain] min_users); lengthen the windows or ingest more"
            )
    return TrainingData(catalogue, histories, split, metrics, joint)


def cut(histories: Histories, config: SplitConfig) -> Split:
    """Split, and bound how many users each window measures.

    Raises:
        DataError: A part is empty.
    """
    if config.split == "leave_one_out":
        split = leave_one_out(histories)
    else:
        split = temporal_split(
            histories, validation_days=config.validation_days, test_days=config.test_days
        )
    most, windows = config.max_users, (split.validation, split.test)
    kept = [w if len(w) <= most else w.rows(evenly_spaced(len(w), most)) for w in windows]
    return Split(split.train, *kept)


def fit_and_evaluate(
    candidate: dict[str, Any],
    data: TrainingData,
    *,
    seed: int,
    checkpoints: Path | None = None,
    start: Parent | str = "",
    before_after: bool = True,
) -> TrainedCandidate:
    """Fit one candidate and measure it on both windows.

    One thread for linear algebra: the matrices are small, and threads that wait for each other
    spin, which on a busy machine takes many times longer.

    Args:
        candidate: Its settings.
        data: What all candidates get.
        seed: Of everything random.
        checkpoints: Where a long training keeps its checkpoints and goes on from.
        start: The earlier training that it goes on from, or why there is none; one of another
            network is not gone on from, and the outcome says why.
        before_after: Whether what is fine-tuned is measured with less of it trained, too.
    """
    recommender = build_candidate(candidate, seed=seed)
    given: dict[str, Any] = {"data": data, "checkpoints": checkpoints}
    with threadpool_limits(limits=1):
        try:
            return _fit_and_evaluate(
                recommender, candidate, **given, start=start, stages=before_after
            )
        except BundleError as err:
            if not isinstance(start, Parent):
                raise
            logger.warning("%s starts from scratch: %s", candidate_name(candidate), err)
            anew = build_candidate(candidate, seed=seed)
            return _fit_and_evaluate(anew, candidate, **given, start=str(err), stages=before_after)


def _fit_and_evaluate(
    recommender: Recommender,
    candidate: dict[str, Any],
    *,
    data: TrainingData,
    start: Parent | str,
    checkpoints: Path | None,
    stages: bool,
) -> TrainedCandidate:
    epochs: list[tuple[str, float, int]] = []

    def report(name: str, value: float, step: int) -> None:
        epochs.append((name, float(value), step))
        logger.info("%s, epoch %d: %s %.4f", candidate_name(candidate), step, name, value)

    recommender.checkpoints = checkpoints
    recommender.warm = start.warm if isinstance(start, Parent) else None
    if isinstance(recommender, Blend):
        recommender.given = data.fitted
    split, started, cpu = data.split, time.perf_counter(), time.process_time()
    recommender.fit(
        split.train,
        data.catalogue,
        validation=split.validation,
        report=report,
    )
    fit_seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    validation = evaluate(recommender, split.validation, train=split.train, metrics=data.metrics)
    test = evaluate(recommender, split.test, train=split.train, metrics=data.metrics)
    outcome = Outcome(
        name=candidate_name(candidate),
        settings=recommender.config.model_dump(mode="json"),
        chosen=recommender.chosen,
        fit_seconds=fit_seconds,
        cpu_seconds=cpu_seconds,
        **origin_of(recommender, start, cpu_seconds),
        epochs=epochs,
        validation=validation.metrics,
        test=test.metrics,
        slices=test.slices,
        stages=measure_stages(recommender, Measured(validation, test), split, data.catalogue)
        if stages and not isinstance(start, Parent)
        else [],
        blended=blended_of(recommender, seed=recommender.seed),
    )
    return TrainedCandidate(recommender, outcome, test.per_user)
