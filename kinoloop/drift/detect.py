"""Run the drift tests that the settings name, and decide which fire.

One rule for all tests. A test fires when

1. its effect reaches its threshold (it matters),
2. fewer than `false_alarms / number of tests` of the shuffles reach it (it is not chance;
   Bonferroni, so that *all tests together* cry wolf at most that often), and
3. no reference period differed as much from the others (it is not an ordinary week).

Drift is called when at least `min_fired` tests fire.
"""

import logging
import math
import time
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, ValidationError

from kinoloop.drift.base import DRIFT_TESTS, DriftTest, Measurement, Scene, TestConfig
from kinoloop.drift.windows import WindowsConfig
from kinoloop.errors import ConfigError
from kinoloop.settings import first_fault

logger = logging.getLogger(__name__)

Outcome = Literal["fired", "quiet", "not enough data"]

DEFAULT_TESTS: tuple[dict[str, Any], ...] = (
    {"kind": "mix", "column": "event"},
    {"kind": "mix", "column": "device"},
    {"kind": "mix", "column": "surface"},
    {"kind": "mix", "column": "category", "of": "watched"},
    {"kind": "mix", "column": "language", "of": "watched"},
    {"kind": "mix", "column": "category", "of": "new_videos"},
    {"kind": "numeric", "column": "watch_share"},
    {"kind": "numeric", "column": "duration_s", "of": "watched"},
    {"kind": "activity"},
    {"kind": "nulls"},
    {"kind": "mean_vector", "modality": "text"},
    {"kind": "mean_vector", "modality": "visual"},
    {"kind": "mean_vector", "modality": "audio"},
    {"kind": "domain_classifier", "modality": "text"},
    {"kind": "domain_classifier", "modality": "visual"},
    {"kind": "domain_classifier", "modality": "audio"},
    {"kind": "slate_scores"},
    {"kind": "slate_mix"},
    {"kind": "slate_overlap"},
    {"kind": "unknown_videos"},
    {"kind": "quality"},
)


class DriftConfig(WindowsConfig):
    """Section `drift` of the settings."""

    permutations: int = Field(999, ge=99, description="Shuffles per test; p-values go to 1 / 1000.")
    false_alarms: float = Field(
        0.05, gt=0, lt=1, description="Chance that any test fires although nothing has changed."
    )
    min_fired: int = Field(1, ge=1, description="Tests that must fire before drift is called.")
    top_k: int = Field(10, ge=1, description="Length of the slates that are compared.")
    seed: int = Field(0, description="Of panels, shuffles and folds.")
    tests: tuple[dict[str, Any], ...] = Field(
        DEFAULT_TESTS, description="Tests to run: kind and its settings."
    )


@dataclass(frozen=True)
class Result:
    """One test's measurement and what follows from it.

    Attributes:
        name: Kind and what it looked at, such as `mix category watched`.
        title: The same for people.
        level: tables, embeddings or predictions.
        effect: Short name of the effect size.
        floor: Effect size that means "the same".
        outcome: What follows.
        threshold: Effect size that it had to reach.
        alpha: p-value that it had to stay under.
        measurement: What was found.
        seconds: Wall time.
    """

    name: str
    title: str
    level: str
    effect: str
    floor: float
    outcome: Outcome
    threshold: float
    alpha: float
    measurement: Measurement
    seconds: float


@dataclass(frozen=True)
class Drift:
    """All results.

    Attributes:
        results: In the order of the settings.
        fired: Whether drift is called.
        nothing: Why nothing could be compared; "" where something was.
    """

    results: tuple[Result, ...]
    fired: bool
    nothing: str = ""


def detect(scene: Scene, config: DriftConfig) -> Drift:
    """Run all tests.

    Raises:
        ConfigError: A test is unknown or one of its settings is wrong.
    """
    tests = [configured(settings) for settings in config.tests]
    alpha = config.false_alarms / max(len(tests), 1)
    if alpha * (config.permutations + 1) < 1:
        raise ConfigError(
            f"[drift] {config.permutations} permutations cannot show p ≤ {alpha:.2g} for "
            f"{len(tests)} tests; set permutations to at least {math.ceil(1 / alpha)}"
        )
    results = tuple(_run(test, test_config, scene, alpha) for test, test_config in tests)
    count = sum(result.outcome == "fired" for result in results)
    logger.info("drift: %d of %d tests fired", count, len(results))
    return Drift(results, fired=count >= config.min_fired)


def configured(settings: dict[str, Any]) -> tuple[DriftTest, TestConfig]:
    """Find a test and check its settings.

    Raises:
        ConfigError: The test is unknown or one of its settings is wrong.
    """
    test = DRIFT_TESTS.get(str(settings.get("kind", "")))
    try:
        return test, test.config.model_validate(settings)
    except ValidationError as err:
        raise ConfigError(f"[drift] test {test.name!r}: {first_fault(err)}") from err


def judge(measurement: Measurement, threshold: float, alpha: float) -> Outcome:
    """Whether a measurement fires."""
    evidence = measurement.evidence
    if evidence is None:
        return "not enough data"
    matters = evidence.statistic >= threshold
    unusual = math.isnan(evidence.ordinary) or evidence.statistic > evidence.ordinary
    return "fired" if matters and unusual and evidence.p_value <= alpha else "quiet"


def _run(test: DriftTest, config: TestConfig, scene: Scene, alpha: float) -> Result:
    started = time.perf_counter()
    measurement = test.measure(scene, config)
    outcome = judge(measurement, config.threshold, alpha)
    result = Result(
        name=_name(config),
        title=_title(test, config),
        level=test.level,
        effect=test.effect,
        floor=test.floor,
        outcome=outcome,
        threshold=config.threshold,
        alpha=alpha,
        measurement=measurement,
        seconds=time.perf_counter() - started,
    )
    logger.info("%s: %s, %s", result.name, outcome, measurement.said)
    return result


def _name(config: TestConfig) -> str:
    chosen = (getattr(config, field, None) for field in ("column", "modality", "of"))
    return " ".join([config.kind, *(str(word) for word in chosen if word not in {None, "events"})])


def _title(test: DriftTest, config: TestConfig) -> str:
    words = {name: str(value).replace("_", " ") for name, value in config}
    where = {"watched": ", of what is watched", "new_videos": ", of new videos"}
    return test.title.format(**words) + where.get(str(getattr(config, "of", "")), "")
