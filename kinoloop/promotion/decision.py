"""Promote or refuse: challenger and champion on one fresh window, and the gates.

Both are read from their bundles, so that what is measured is what serves. The window is the
challenger's test window, cut again from the current tables; both stand in it with the newest
catalogue version (videos that a model was not trained on have their score from content), and what
has left the tables is ranked by neither. Per user, the difference of NDCG@10 is paired and
bootstrapped; an interval above `min_gain` beats. A challenger that was trained on newer data may
also pass as not worse, in all and on each slice.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.ids import IdMap
from kinoloop.evaluation.baseline import popularity_warning
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import Evaluation, Rankable, evaluate
from kinoloop.evaluation.metrics.base import ACCURACY
from kinoloop.evaluation.split import Holdout
from kinoloop.evaluation.translate import translate_holdout
from kinoloop.promotion.current import OnlyCurrent, missing_note, trained_ids
from kinoloop.promotion.gates import (
    COMPARED_BY,
    Gain,
    Gate,
    PromoteConfig,
    bundle_gate,
    coverage_gate,
    fresher_gate,
    gain_gate,
    latency_gates,
    latency_warnings,
    users_gate,
)
from kinoloop.promotion.latency import measure_latency
from kinoloop.promotion.slices import Masks, SliceGain, gains, masks
from kinoloop.ranking.rerank import Reranked
from kinoloop.release.info import BundleInfo
from kinoloop.release.release import Release
from kinoloop.settings import FrozenRecord


class MeasuredRelease(FrozenRecord):
    """One side of a decision.

    Attributes:
        version: In the registry.
        digest: Of the model's bundle.
        name: Of the candidate.
        kind: Of the recommender.
        dataset_version: That it was trained on.
        trained_until: Newest event that it was trained on.
        catalogue: Number of the catalogue version that it was measured with; 0 is its own.
        videos: How many that catalogue has.
        metrics: On the window.
    """

    version: str
    digest: str
    name: str
    kind: str
    dataset_version: str
    trained_until: datetime | None
    catalogue: int = 0
    videos: int = 0
    metrics: dict[str, float]


class Decision(FrozenRecord):
    """The record of one promotion, granted or refused.

    `way` says how the challenger proved itself: as the first release, better, or fresher and not
    worse; "" where it did not.
    """

    decided_at: datetime
    promoted: bool
    challenger: MeasuredRelease
    champion: MeasuredRelease | None
    window_from: datetime | None
    window_until: datetime | None
    users: int
    gain: Gain | None
    way: Literal["", "first", "better", "fresher"] = ""
    slices: tuple[SliceGain, ...] = ()
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
        challenger: Opened, with its newest catalogue version.
        champion: Likewise; None before the first promotion.
        holdout: The window, in the indices of `ids`.
        config: The gates.
        ids: Of the catalogue that the window was loaded with.
        versions: For the record.

    Returns:
        The decision; nothing has been changed.
    """
    users = len(holdout)
    parts = (
        None
        if champion is None
        else masks(holdout, ids, challenger.catalogue, (trained_ids(champion), champion.info))
    )
    new = measure(challenger, holdout, ids, parts=parts)
    old = None if champion is None else measure(champion, holdout, ids, parts=parts)
    gain = None if old is None or not users else _gain(new, old, config)
    slices: list[SliceGain] = []
    proof = gain_gate(gain, config, has_champion=champion is not None)
    way: Literal["", "first", "better", "fresher"] = "first" if gain is None else "better"
    if gain is not None and old is not None and champion is not None:
        slices = gains(new, old, metric=COMPARED_BY, seed=config.seed, confidence=config.confidence)
        if not proof.passed and _is_fresher(challenger.info, champion.info):
            proof, way = fresher_gate(gain, slices, old.metrics[COMPARED_BY], config), "fresher"
    latency = measure_latency(challenger, champion, holdout.histories, ids=ids)
    gates = [
        bundle_gate(challenger),
        users_gate(users, config),
        proof,
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
        way=way if proof.passed else "",
        slices=tuple(slices),
        gates=gates,
        competed=challenger.info.competed,
        notes=[
            *missing_note("challenger", challenger, ids),
            *([] if champion is None else missing_note("champion", champion, ids)),
            *_notes(holdout, champion),
            *_against_popularity(challenger.info),
            *latency_warnings(latency, config),
        ],
    )


def measure(
    release: Release,
    holdout: Holdout,
    ids: IdMap,
    *,
    metrics: Sequence[str] = ACCURACY,
    parts: Masks | None = None,
) -> Evaluation:
    """Measure a release on a window as it serves, re-ranking included.

    Args:
        release: Opened.
        holdout: In the indices of `ids`.
        ids: Of the catalogue that the window was loaded with.
        metrics: Names of the accuracy metrics.
        parts: Targets that are measured by themselves, too, by name.
    """
    window = translate_holdout(holdout, ids, release.catalogue.ids)
    current: Rankable = OnlyCurrent(release.recommender.proven, ids)
    if release.reranking is not None:
        current = Reranked.on(current, release.reranking.ranker, window)
    return evaluate(current, window, metrics=metrics, parts=parts)


def _is_fresher(challenger: BundleInfo, champion: BundleInfo) -> bool:
    """Whether the challenger was trained on newer data."""
    mine, theirs = challenger.trained_until, champion.trained_until
    return mine is not None and theirs is not None and mine > theirs


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
        digest=info.catalogue.model if info.catalogue else info.digest,
        name=info.name,
        kind=info.kind,
        dataset_version=info.dataset_version,
        trained_until=info.trained_until,
        catalogue=info.catalogue.number if info.catalogue else 0,
        videos=info.videos,
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
