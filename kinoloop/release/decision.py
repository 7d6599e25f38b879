"""Promote or refuse: challenger and champion on one fresh window, and the gates.

Both are read from their bundles, so that what is measured is what serves. The window is the
challenger's test window, cut again from the current tables; the champion stands in it through its
own catalogue, and misses what it does not know. Per user, the difference of NDCG@10 is paired
and bootstrapped; an interval above `min_gain` beats.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.errors import BundleError
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import Evaluation, evaluate
from kinoloop.evaluation.split import Holdout
from kinoloop.evaluation.translate import translate, translate_holdout
from kinoloop.ranking.rerank import Reranked
from kinoloop.release.info import BundleInfo
from kinoloop.release.release import Release
from kinoloop.settings import Config

COMPARED_BY = "ndcg@10"
LATENCY_REQUESTS = 100


class PromoteConfig(Config):
    """Section `[promote]`: the gates between challenger and champion."""

    min_gain: float = Field(
        0.0, description="The interval of the NDCG@10 difference must lie above this."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of that interval.")
    min_users: int = Field(
        20, ge=2, description="Fewer users in the window than this prove nothing."
    )
    min_coverage: float = Field(
        0.001,
        ge=0,
        le=1,
        description="Share of videos that reach any slate; below, one hit for all.",
    )
    max_latency_ms: float = Field(
        50.0, gt=0, description="95th percentile of one recommendation on this machine, ms."
    )
    seed: int = Field(0, ge=0, description="Of the bootstrap.")


class Contender(Config):
    """One side of a decision."""

    version: str
    digest: str
    name: str
    kind: str
    dataset_version: str
    trained_until: datetime | None
    metrics: dict[str, float]


class Gate(Config):
    """One condition of promotion."""

    name: str
    passed: bool
    measured: str
    required: str


class Gain(Config):
    """Mean difference of NDCG@10, challenger − champion, with its interval."""

    mean: float
    low: float
    high: float
    users: int
    confidence: float


class Decision(Config):
    """The record of one promotion, granted or refused."""

    decided_at: datetime
    promoted: bool
    challenger: Contender
    champion: Contender | None
    window_from: datetime | None
    window_until: datetime | None
    users: int
    gain: Gain | None
    gates: list[Gate]
    competed: dict[str, dict[str, float]]
    notes: list[str]


class Sides(Config):
    """Numbers in the registry of the two releases."""

    challenger: str
    champion: str | None = None


def decide(
    challenger: Release,
    champion: Release | None,
    holdout: Holdout,
    config: PromoteConfig,
    *,
    ids: IdMap,
    versions: Sides,
) -> Decision:
    """Weigh a challenger against the champion.

    Args:
        challenger: Opened.
        champion: Opened; None before the first promotion.
        holdout: The window, in the indices of `ids`.
        config: The gates.
        ids: Of the catalogue that the window was loaded with.
        versions: For the record.

    Returns:
        The decision; nothing has been changed.
    """
    users = len(holdout)
    window = translate(holdout.histories, ids, challenger.catalogue.ids)
    new = measure(challenger, holdout, ids)
    old = None if champion is None else measure(champion, holdout, ids)
    gain = None if old is None or not users else _gain(new, old, config)
    gates = [
        _bundle_gate(challenger),
        Gate(
            name="enough users",
            passed=users >= config.min_users,
            measured=f"{users} users in the window",
            required=f"≥ {config.min_users}",
        ),
        _gain_gate(gain, config, has_champion=champion is not None),
        _coverage_gate(new, config),
        _latency_gate(challenger, window, config),
    ]
    return Decision(
        decided_at=datetime.now(UTC),
        promoted=all(gate.passed for gate in gates),
        challenger=_contender(challenger.info, versions.challenger, new),
        champion=None
        if champion is None or old is None
        else _contender(champion.info, versions.champion or "", old),
        window_from=_moment(holdout.targets.timestamps, np.min),
        window_until=_moment(holdout.targets.timestamps, np.max),
        users=users,
        gain=gain,
        gates=gates,
        competed=challenger.info.competed,
        notes=_notes(holdout, champion),
    )


def measure(release: Release, holdout: Holdout, ids: IdMap) -> Evaluation:
    """Measure a release on a window as it serves, re-ranking included.

    Args:
        release: Opened.
        holdout: In the indices of `ids`.
        ids: Of the catalogue that the window was loaded with.
    """
    window = translate_holdout(holdout, ids, release.catalogue.ids)
    if release.reranking is None:
        return evaluate(release.recommender, window)
    moment = int(window.targets.timestamps.min()) if len(window.targets.videos) else 0
    ranker = release.reranking.ranker
    return evaluate(Reranked(release.recommender, ranker, moment=moment), window)


def _gain(new: Evaluation, old: Evaluation, config: PromoteConfig) -> Gain:
    difference = paired(
        new.per_user[COMPARED_BY],
        old.per_user[COMPARED_BY],
        seed=config.seed,
        confidence=config.confidence,
    )
    return Gain(
        mean=difference.mean,
        low=difference.low,
        high=difference.high,
        users=difference.n,
        confidence=config.confidence,
    )


def _bundle_gate(challenger: Release) -> Gate:
    try:
        challenger.check()
        outcome = "all agree"
    except BundleError as err:
        outcome = str(err)
    return Gate(
        name="bundle and golden requests",
        passed=outcome == "all agree",
        measured=outcome,
        required="all agree",
    )


def _gain_gate(gain: Gain | None, config: PromoteConfig, *, has_champion: bool) -> Gate:
    if gain is None:
        measured = "no user to compare on" if has_champion else "no champion yet"
    else:
        measured = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
    return Gate(
        name="beats the champion",
        passed=not has_champion if gain is None else gain.low > config.min_gain,
        measured=measured,
        required=f"{COMPARED_BY} interval above {config.min_gain:g}",
    )


def _coverage_gate(new: Evaluation, config: PromoteConfig) -> Gate:
    coverage = new.metrics.get("coverage@10", 0.0)
    return Gate(
        name="coverage",
        passed=coverage >= config.min_coverage,
        measured=f"{coverage:.4f} of the videos",
        required=f"≥ {config.min_coverage:g}",
    )


def _latency_gate(challenger: Release, histories: Histories, config: PromoteConfig) -> Gate:
    challenger.recommend([], top_k=10)  # warm-up
    seconds = [0.0]
    for row in range(0, len(histories), max(1, len(histories) // LATENCY_REQUESTS)):
        picked = histories.row(row)
        history = [Interaction(v) for v in histories.videos[picked].tolist()]
        started = time.perf_counter()
        challenger.recommend(history, top_k=10)
        seconds.append(time.perf_counter() - started)
    slow_ms = float(np.quantile(seconds, 0.95)) * 1e3
    return Gate(
        name="latency",
        passed=slow_ms <= config.max_latency_ms,
        measured=f"p95 {slow_ms:.1f} ms",
        required=f"≤ {config.max_latency_ms:g} ms",
    )


def _contender(info: BundleInfo, version: str, measured: Evaluation) -> Contender:
    return Contender(
        version=version,
        digest=info.digest,
        name=info.name,
        kind=info.kind,
        dataset_version=info.dataset_version,
        trained_until=info.trained_until,
        metrics=measured.metrics,
    )


def _notes(holdout: Holdout, champion: Release | None) -> list[str]:
    start = _moment(holdout.targets.timestamps, np.min)
    until = champion.info.trained_until if champion else None
    if start is None or until is None or until < start:
        return []
    return [
        f"The champion was trained until {until:%Y-%m-%d %H:%M} and so has seen a part of the "
        "window, which flatters it."
    ]


def _moment(
    timestamps: NDArray[np.int64], pick: Callable[[NDArray[np.int64]], np.int64]
) -> datetime | None:
    if not len(timestamps):
        return None
    return datetime.fromtimestamp(int(pick(timestamps)) / 1e6, UTC)
