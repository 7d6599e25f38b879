"""Which release a retrain goes on from, and what its candidates may take from it.

The choice is made once per retrain and kept in its working folder, so that a run that was killed
goes on with it. Whatever stands in the way of going on from the champion is a line in the report,
never a failure: the candidate then starts from scratch.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from kinoloop import durable
from kinoloop.errors import BundleError, RegistryError
from kinoloop.registry.model_version import ModelVersion
from kinoloop.release.bundle import LEARNED
from kinoloop.release.info import BundleInfo, Lineage, read_info
from kinoloop.release.signature import load_trust
from kinoloop.settings import FrozenRecord
from kinoloop.training.fit import FROM_SCRATCH, checkpoints_of
from kinoloop.training.model_selection import build_candidate, candidate_name
from kinoloop.training.outcome import SELECTION_METRIC, Outcome
from kinoloop.training.warm_start import (
    SCRATCH,
    Parent,
    Seen,
    read_parent,
    read_trained,
    what_differs,
    why_not,
)
from tasks.retrain_plan import RetrainPlan

logger = logging.getLogger(__name__)

CHOICE = "@start.json"  # no candidate can be called so
LEARNED_FILE = "learned.safetensors"


class Start(FrozenRecord):
    """What a retrain starts from.

    Attributes:
        version: Number of the release that is gone on from; "" where all start from scratch.
        digest: Of that release.
        why_not: Why there is none; "" where there is one.
        since_scratch: Retrains since candidates from random weights competed, this one included.
        beside: Whether such candidates compete beside those that go on.
    """

    version: str = ""
    digest: str = ""
    why_not: str = ""
    since_scratch: int = 0
    beside: bool = False


@task(name="choose where to start", cache_policy=NO_CACHE)
def choose_start(plan: RetrainPlan, *, away: str) -> Start:
    """Choose the release to go on from: the champion, or the proven one that it was refreshed from.

    Args:
        plan: The retrain.
        away: Why MLflow is away; "" where it is there.
    """
    path = plan.work_dir / CHOICE
    if path.exists():
        return Start.model_validate_json(path.read_bytes())
    start = _look_for_start(plan, away)
    plan.work_dir.mkdir(parents=True, exist_ok=True)
    durable.write_text(path, start.model_dump_json())
    logger.info("start: %s", start.why_not or f"going on from version {start.version}")
    return start


def _look_for_start(plan: RetrainPlan, away: str) -> Start:
    if not plan.config.warm_start:
        return Start(why_not="[retrain] warm_start is false")
    if away:
        return Start(why_not=f"MLflow is away, and with it the champion: {away}")
    try:
        champion, challenger = plan.registry.champion(), plan.registry.by_alias("challenger")
        if champion is None:
            return Start(why_not="there is no champion yet")
        newest = max(int(v.version) for v in (champion, challenger) if v is not None)
        reasons = []
        for version, info in _ancestors(plan, champion):
            seen = _seen(info)
            reason = (
                "the champion does not say what it was trained with"
                if seen is None
                else why_not(
                    seen, plan.training_data.split, temporal=plan.config.split == "temporal"
                )
            )
            if seen is not None and not reason:
                since = info.lineage.since_scratch if info.lineage else 0
                since += 1 + newest - int(champion.version)  # what was refused since counts too
                beside = since >= plan.config.scratch_every
                return Start(
                    version=version.version,
                    digest=version.digest,
                    since_scratch=0 if beside else since,
                    beside=beside,
                )
            reasons.append(reason)
        return Start(why_not=reasons[0])
    except (BundleError, RegistryError) as err:
        return Start(why_not=f"the champion cannot be read: {err}")


def _ancestors(
    plan: RetrainPlan, champion: ModelVersion
) -> Iterator[tuple[ModelVersion, BundleInfo]]:
    """Yield the champion, then the release that it was refreshed from, which has seen less."""
    info = read_info(_fetch(plan, champion))
    yield champion, info
    if info.lineage is not None and info.lineage.proven_version:
        proven = plan.registry.version(info.lineage.proven_version)
        if proven.digest == info.lineage.proven_digest:
            yield proven, read_info(_fetch(plan, proven))


def _fetch(plan: RetrainPlan, version: ModelVersion) -> Path:
    """Return the verified copy of a release."""
    environment = plan.environment
    return plan.registry.download(version, environment.releases, trust=load_trust(environment))


def _seen(info: BundleInfo) -> Seen | None:
    """Tell what a release has seen; None where it does not say."""
    if info.trained_until is None or info.known_until is None:
        return None
    chosen = info.lineage.chosen_until if info.lineage else None
    trained = info.trained_until if info.split.get("split") == "temporal" else info.known_until
    return Seen(
        trained_until=_microseconds(trained),
        chosen_until=_microseconds(chosen or info.known_until),
    )


def start_of(
    plan: RetrainPlan, start: Start, candidate: Mapping[str, Any], *, anew: bool
) -> Parent | str:
    """Return what a candidate goes on from, or why it starts from scratch.

    Args:
        plan: The retrain.
        start: Of this retrain.
        candidate: Its settings, by its own name.
        anew: Whether it competes from scratch beside the one that goes on.
    """
    name = candidate_name(dict(candidate))
    if anew:
        return f"its turn has come ([retrain] scratch_every = {plan.config.scratch_every})"
    if not start.version:
        return start.why_not
    if candidate.get("kind") not in plan.config.warm_kinds:
        return "[retrain] warm_kinds does not name its kind"
    if (checkpoints_of(plan.environment, name) / FROM_SCRATCH).exists():
        return "kinoloop.training.fit has trained it from scratch"
    folder = plan.environment.releases / start.digest
    path, label = folder / LEARNED / f"{name}.safetensors", f"version {start.version}"
    if not path.exists():
        return f"{label} kept no weights of it"
    try:
        recommender = build_candidate(dict(candidate), seed=plan.config.seed)
        fingerprints = plan.training_data.catalogue.fingerprints
        differs = what_differs(read_trained(path), recommender, fingerprints)
        return differs or read_parent(
            path,
            plan.config,
            label=f"{label} ({start.digest[:12]})",
        )
    except (BundleError, OSError) as err:
        return f"the weights of {label} cannot be read: {err}"


def trainings_of(plan: RetrainPlan, start: Start) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield every training of a retrain: settings, and whether it starts from scratch by turn.

    Where the turn has come, what goes on competes from scratch as well.
    """
    for candidate in plan.config.candidates:
        yield candidate, False
        if start.beside and isinstance(start_of(plan, start, candidate, anew=False), Parent):
            yield {**candidate, "name": f"{candidate_name(candidate)}{SCRATCH}"}, True


def learned_files(work_dir: Path, outcomes: Sequence[Outcome]) -> dict[str, Path]:
    """Return what later trainings go on from, by candidate: of two the better on validation."""
    found: dict[str, tuple[float, Path]] = {}
    for outcome in outcomes:
        path = work_dir / outcome.name / LEARNED_FILE
        name = outcome.name.removesuffix(SCRATCH)
        score = outcome.validation[SELECTION_METRIC]
        if path.exists() and (name not in found or score > found[name][0]):
            found[name] = score, path
    return {name: path for name, (_, path) in found.items()}


def lineage_of(plan: RetrainPlan, start: Start, winner: Outcome) -> Lineage:
    """Write down where the winner's weights come from."""
    window = plan.training_data.split.validation.targets.timestamps
    temporal = plan.config.split == "temporal"
    newest = window.max() if temporal else plan.training_data.histories.timestamps.max()
    return Lineage(
        parent_version=start.version if winner.started_from else "",
        parent_digest=start.digest if winner.started_from else "",
        chosen_until=datetime.fromtimestamp(int(newest) / 1e6, UTC),
        since_scratch=start.since_scratch,
    )


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)
