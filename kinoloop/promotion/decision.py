"""Promote or refuse: challenger and champion on one fresh window, and the gates.

Both are read from their bundles, so that what is measured is what serves. The window is the
challenger's test window, cut again from the current tables; the champion stands in it through its
own catalogue, and misses what it does not know. Per user, the difference of NDCG@10 is paired
and bootstrapped; an interval above `min_gain` beats.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.ids import IdMap
from kinoloop.evaluation.baseline import popularity_warning
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import Evaluation, evaluate
from kinoloop.evaluation.metrics.base import ACCURACY
from kinoloop.evaluation.split import Holdout
from kinoloop.evaluation.translate import translate_holdout
from kinoloop.promotion.gates import (
    COMPARED_BY,
    Gain,
    Gate,
    PromoteConfig,
    bundle_gate,
    coverage_gate,
    gain_gate,
    latency_gates,
    latency_warnings,
    users_gate,
)
from kinoloop.promotion.latency import measure_latency
from kinoloop.ranking.rerank import Reranked
from kinoloop.release.info import BundleInfo
from kinoloop.release.release import Release
from kinoloop.settings import FrozenRecord


class MeasuredRelease(FrozenRecord):
    """One side of a decision."""

    version: str
    digest: str
    name: str
    kind: str
    dataset_version: str
    trained_until: datetime | None
    metrics: dict[str, float]


class Decision(FrozenRecord):
    """The record of one promotion, granted or refused."""

    decided_at: datetime
    promoted: bool
    challenger: MeasuredRelease
    champion: MeasuredRelease | None
    window_from: datetime | None
    window_until: datetime | None
    users: int
    gain: Gain | None
    gates: list[Gate]
    competed: dict[str, dict[str, float]]
    notes: list[str]

    @property
    def refusals(self) -> list[str]:
        """A sentence for each gate that refused: measured, required, and the next step."""
        return [gate.refusal for gate in self.gates if not gate.passed]


class Sides(FrozenRecord):
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
    new = measure(challenger, holdout, ids)
    old = None if champion is None else measure(champion, holdout, ids)
    gain = None if old is None or not users else _gain(new, old, config)
    latency = measure_latency(challenger, champion, holdout.histories, ids=ids)
    gates = [
        bundle_gate(challenger),
        users_gate(users, config),
        gain_gate(gain, config, has_champion=champion is not None),
        coverage_gate(new.metrics.get("coverage@10", 0.0), config),
        *latency_gates(latency, config),
    ]
    return Decision(
        decided_at=datetime.now(UTC),
        promoted=all(gate.passed for gate in gates),
        challenger=_measured_release(challenger.info, versions.challenger, new),
        champion=None
        if champion is None or old is None
        else _measured_release(champion.info, versions.champion or "", old),
        window_from=_moment(holdout.targets.timestamps, np.min),
        window_until=_moment(holdout.targets.timestamps, np.max),
        users=users,
        gain=gain,
        gates=gates,
        competed=challenger.info.competed,
        notes=[
            *_notes(holdout, champion),
            *_against_popularity(challenger.info),
            *latency_warnings(latency, config),
        ],
    )


def measure(
    release: Release, holdout: Holdout, ids: IdMap, *, metrics: Sequence[str] = ACCURACY
) -> Evaluation:
    """Measure a release on a window as it serves, re-ranking included.

    Args:
        release: Opened.
        holdout: In the indices of `ids`.
        ids: Of the catalogue that the window was loaded with.
        metrics: Names of the accuracy metrics.
    """
    window = translate_holdout(holdout, ids, release.catalogue.ids)
    if release.reranking is None:
        return evaluate(release.recommender, window, metrics=metrics)
    moment = int(window.targets.timestamps.min()) if len(window.targets.videos) else 0
    ranker = release.reranking.ranker
    reranked = Reranked(release.recommender, ranker, moment=moment)
    return evaluate(reranked, window, metrics=metrics)


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


def _measured_release(info: BundleInfo, version: str, measured: Evaluation) -> MeasuredRelease:
    return MeasuredRelease(
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
        "window, which favours it."
    ]


def _against_popularity(info: BundleInfo) -> list[str]:
    scores = {name: measured["test"] for name, measured in info.competed.items()}
    warning = popularity_warning(info.name, scores) if scores else ""
    return [warning] if warning else []


def _moment(
    timestamps: NDArray[np.int64], pick: Callable[[NDArray[np.int64]], np.int64]
) -> datetime | None:
    if not len(timestamps):
        return None
    return datetime.fromtimestamp(int(pick(timestamps)) / 1e6, UTC)
