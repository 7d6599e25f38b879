"""One look for drift as JSON: what stands in MLflow with the run of the champion it was about.

It holds aggregates only: counts and test results, no user and no event.
"""

import math
from datetime import datetime

from kinoloop.drift.detect import Drift, Outcome, Result
from kinoloop.drift.report import ReportFacts, verdict
from kinoloop.settings import FrozenRecord

FOLDER = "drift"
"""Of the artifacts of a run."""


class TestRecord(FrozenRecord):
    """What one test found.

    Attributes:
        name: Kind and what it looked at.
        title: The same for people.
        level: tables, embeddings or predictions.
        outcome: What follows.
        effect: Short name of the effect size.
        value: Effect size that was seen; None without enough data.
        threshold: Effect size that it had to reach.
        p_value: Share of the shuffles that reach it; None without enough data.
        said: What was found, in one sentence.
    """

    __test__ = False  # not a pytest class

    name: str
    title: str
    level: str
    outcome: Outcome
    effect: str
    value: float | None
    threshold: float
    p_value: float | None
    said: str


class DriftRecord(FrozenRecord):
    """One look for drift.

    Attributes:
        created: When the tests ran, UTC.
        champion: Version and kind of the model in service.
        dataset: Version of the data.
        fired: Whether drift is called.
        verdict: The result in one sentence.
        action: What followed, for people.
        tests: In the order of the settings.
    """

    created: datetime
    champion: str
    dataset: str
    fired: bool
    verdict: str
    action: str
    tests: tuple[TestRecord, ...]


def record_of(drift: Drift, about: ReportFacts) -> DriftRecord:
    """Return what is kept of a look for drift."""
    return DriftRecord(
        created=about.created,
        champion=about.champion,
        dataset=about.dataset,
        fired=drift.fired,
        verdict=verdict(drift),
        action=about.action,
        tests=tuple(_of_test(result) for result in drift.results),
    )


def _of_test(result: Result) -> TestRecord:
    evidence = result.measurement.evidence
    return TestRecord(
        name=result.name,
        title=result.title,
        level=result.level,
        outcome=result.outcome,
        effect=result.effect,
        value=None if evidence is None else _finite(evidence.statistic),
        threshold=result.threshold,
        p_value=None if evidence is None else _finite(evidence.p_value),
        said=result.measurement.said,
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
