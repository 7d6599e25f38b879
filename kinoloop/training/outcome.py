"""What a candidate achieved, and which of them is chosen."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from kinoloop.models.base import Recommender
from kinoloop.settings import FrozenRecord

SELECTION_METRIC = "ndcg@10"


class Outcome(FrozenRecord):
    """What one candidate achieved, as JSON.

    Attributes:
        name: Of the candidate.
        settings: Of its recommender, defaults filled in.
        fit_seconds: Wall time of fitting.
        cpu_seconds: CPU time of fitting, of all threads.
        started_from: Release whose weights it went on from; "" where from scratch.
        scratch_because: Why one that can go on from earlier weights did not; "" of all others.
        scratch_cpu_seconds: CPU time of the newest training from scratch of the same candidate.
        epochs: (metric, value, epoch) as they were reported while fitting.
        validation: Means over the validation window; the winner is chosen by `ndcg@10`.
        test: Means over the test window.
        slices: Of the test window.
    """

    name: str
    settings: dict[str, Any]
    fit_seconds: float
    cpu_seconds: float = 0.0
    started_from: str = ""
    scratch_because: str = ""
    scratch_cpu_seconds: float = 0.0
    epochs: list[tuple[str, float, int]]
    validation: dict[str, float]
    test: dict[str, float]
    slices: dict[str, dict[str, float]]


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
