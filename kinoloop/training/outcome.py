"""What a candidate achieved, and which of them is chosen."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl
from pydantic import Field

from kinoloop.models.base import Recommender
from kinoloop.models.transformer.facts import TuningFacts
from kinoloop.settings import FrozenRecord

SELECTION_METRIC = "ndcg@10"


class Interval(FrozenRecord):
    """A mean over users, with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


class Stage(FrozenRecord):
    """A fine-tuned candidate as far as it is trained.

    Attributes:
        name: `zero-shot`, `frozen with head` or `fine-tuned`.
        facts: What was trained; None where nothing was.
        validation: The deciding metric on that window.
        test: The same on the other.
        gain: What fine-tuning adds on the test window, user by user; None of `fine-tuned`.
    """

    name: str
    facts: TuningFacts | None
    validation: Interval
    test: Interval
    gain: Interval | None


class Blended(FrozenRecord):
    """What a blend is made of.

    Attributes:
        best_part: Which of its parts is best alone.
        gain: Over that part on validation, by weights that had not seen the user.
        weights: Of each part, by name.
    """

    best_part: str
    gain: Interval
    weights: dict[str, float]


class Outcome(FrozenRecord):
    """What one candidate achieved, as JSON.

    Attributes:
        name: Of the candidate.
        settings: Of its recommender, defaults and what was chosen filled in.
        chosen: Settings that were left open, as the validation window chose them.
        fit_seconds: Wall time of fitting.
        cpu_seconds: CPU time of fitting, of all threads.
        started_from: Release whose weights it went on from; "" where from scratch.
        scratch_because: Why one that can go on from earlier weights did not; "" of all others.
        scratch_cpu_seconds: CPU time of the newest training from scratch of the same candidate.
        epochs: (metric, value, epoch) as they were reported while fitting.
        validation: Means over the validation window; the winner is chosen by `ndcg@10`.
        test: Means over the test window.
        slices: Of the test window.
        stages: Before and after fine-tuning; empty where nothing pretrained was.
        blended: Of a blend what it is made of; None of all others.
    """

    name: str
    settings: dict[str, Any]
    chosen: dict[str, float] = Field(default_factory=dict)
    fit_seconds: float
    cpu_seconds: float = 0.0
    started_from: str = ""
    scratch_because: str = ""
    scratch_cpu_seconds: float = 0.0
    epochs: list[tuple[str, float, int]]
    validation: dict[str, float]
    test: dict[str, float]
    slices: dict[str, dict[str, float]]
    stages: list[Stage] = Field(default_factory=list)
    blended: Blended | None = None


class TrainedCandidate(NamedTuple):
    """One candidate, fitted and measured.

    Attributes:
        recommender: Fitted.
        outcome: What it achieved.
        per_user: The same of every user of the test window, in the order of the window.
    """

    recommender: Recommender
    outcome: Outcome
    per_user: pl.DataFrame


def choose(outcomes: Sequence[Outcome]) -> Outcome:
    """Choose the best on validation; of equals the one that is named first."""
    return max(outcomes, key=lambda outcome: outcome.validation[SELECTION_METRIC])


def scores_by_candidate(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """Return the deciding metric of each candidate on both windows, for the record."""
    return {
        o.name: {"validation": o.validation[SELECTION_METRIC], "test": o.test[SELECTION_METRIC]}
        for o in outcomes
    }
