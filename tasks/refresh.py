"""Refresh a champion that has just proven itself: taught, guarded, registered, put into service.

Both stages stay on record: the proven release is `previous`, so that one rollback brings it back,
and the refreshed one names it in its bundle. Whatever goes wrong, the proven one stays in service.
"""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from kinoloop import durable
from kinoloop.data.catalogue import load_moments, load_thumbnails
from kinoloop.data.histories import Histories
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.encoders.recorded import with_written
from kinoloop.errors import BundleError, KinoloopError
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.models.base import Recommender
from kinoloop.promotion.decision import Decision
from kinoloop.registry import aliases
from kinoloop.registry.copies import keep_copy
from kinoloop.registry.model_version import ModelVersion
from kinoloop.registry.runs import Runs
from kinoloop.release.bundle import LEARNED, write_bundle
from kinoloop.release.catalogue import open_joint
from kinoloop.release.info import BundleInfo, Lineage, Provenance
from kinoloop.release.release import Release
from kinoloop.release.signature import load_signer, load_trust
from kinoloop.retrieval.config import RetrievalConfig
from kinoloop.settings import FrozenRecord, read_section
from kinoloop.training.model_selection import RetrainConfig, SplitConfig, cut
from kinoloop.training.refresh import Lesson, Verdict, compare, lesson_of, teach
from kinoloop.training.warm_start import read_parent, save_trained
from tasks.promotion import PROMOTED, Challenge

logger = logging.getLogger(__name__)

REFRESH = "refresh"
"""Tag of a proven version: what became of teaching it the newest window."""


class Refreshed(FrozenRecord):
    """What became of a refresh.

    Attributes:
        version: In service now; "" where the proven one stays.
        told: Why, or how well.
    """

    version: str = ""
    told: str


@task(name="refresh champion", cache_policy=NO_CACHE)
def refresh_champion(challenge: Challenge, decision: Decision) -> Refreshed | None:
    """Teach a version that was just promoted the newest window; None where that is not wanted.

    Args:
        challenge: That was decided.
        decision: That promoted it.
    """
    environment, proven = challenge.environment, challenge.challenger
    config = read_section("retrain", RetrainConfig, environment.settings_file)
    if not config.refresh or not decision.promoted:
        return None
    try:
        done = _refresh(challenge, config)
    except KinoloopError as err:
        done = Refreshed(told=f"refused: {err}")
    stays = "" if done.version else "; the proven version stays in service"
    logger.info("refresh of version %s: %s%s", proven.version, done.told, stays)
    challenge.registry.set_tag(proven.version, REFRESH, done.told[:5000])
    page = f"# Refresh of version {proven.version}\n\n{done.told}{stays}.\n"
    name = f"decisions/{datetime.now(UTC):%Y%m%dT%H%M%S}-refresh.md"
    Runs(environment.tracking_uri).log_text(proven.run_id, page, name)
    create_markdown_artifact(key="refresh", markdown=page, description=done.told[:200])
    return done


def _refresh(challenge: Challenge, config: RetrainConfig) -> Refreshed:
    environment, registry = challenge.environment, challenge.registry
    trust = load_trust(environment)
    folder = registry.download(challenge.challenger, environment.releases, trust=trust)
    proven = Release.open(folder, trust)
    lesson = _lesson(challenge, proven, config)
    recommender = _taught(proven, folder, lesson, config)
    verdict = compare(
        evaluate(proven.recommender, lesson.guard),
        evaluate(recommender, lesson.guard),
        margin=config.refresh_margin,
        seed=challenge.config.seed,
    )
    if not verdict.passed:
        return Refreshed(told=f"refused: {verdict.told}")
    with durable.scratch(environment.releases) as scratch:
        bundle = scratch / "bundle"
        _write(bundle, challenge, proven, recommender, lesson, verdict)
        fault = _golden_fault(bundle)
        if fault:
            return Refreshed(told=f"refused by a golden request: {fault}")
        load_signer(environment).sign(bundle)
        version = _register(challenge, bundle, proven.info, verdict)
        keep_copy(bundle, environment.releases, version.digest)
    with registry.moving_aliases(environment.state_dir):
        champion = registry.champion()
        if champion is None or champion.version != challenge.challenger.version:
            return Refreshed(told="refused: another version became champion meanwhile")
        aliases.promote(registry, version.version)
        registry.set_tag(version.version, PROMOTED, challenge.evidence)
    return Refreshed(version=version.version, told=f"version {version.version}: {verdict.told}")


def _lesson(challenge: Challenge, proven: Release, config: RetrainConfig) -> Lesson:
    """Take all that was known when the proven release was made, less the guard's newest window."""
    info = proven.info
    if info.split.get("split") != "temporal":
        raise BundleError('it was not split in time ([retrain] split = "temporal")')
    histories = _known(challenge, proven)
    window = cut(histories, SplitConfig.model_validate(info.split)).test
    return lesson_of(histories, window, config.refresh_holdout)


def _known(challenge: Challenge, proven: Release) -> Histories:
    """Read what was known when the proven release was made."""
    environment, known_until = challenge.environment, proven.info.known_until
    until = None if known_until is None else known_until + timedelta(microseconds=1)
    tables = Tables(environment.data_dir)
    histories = load_histories(
        tables,
        proven.catalogue.ids,
        read_section("interest", InterestConfig, environment.settings_file),
        until=until,
    )
    if not proven.texts.space:
        return histories
    return with_written(histories, tables, proven.info.fingerprints, until=until)


def _taught(proven: Release, folder: Path, lesson: Lesson, config: RetrainConfig) -> Recommender:
    warm, info = None, proven.info
    if proven.recommender.goes_on:
        path = _learned(folder, info)
        warm = read_parent(path, config, label=info.digest).warm
    return teach(proven.recommender, info.settings, lesson, warm=warm)


def _learned(folder: Path, info: BundleInfo) -> Path:
    """Find what the winner left, under the name of its candidate or, by turn, that from scratch."""
    name = info.name.removesuffix("-scratch")
    path = folder / LEARNED / f"{name}.safetensors"
    if not path.exists():
        raise BundleError("it kept no weights to go on from")
    return path


def _write(
    bundle: Path,
    challenge: Challenge,
    proven: Release,
    recommender: Recommender,
    lesson: Lesson,
    verdict: Verdict,
) -> None:
    info, newest = proven.info, int(lesson.histories.timestamps.max())
    given: dict[str, Any] = {name: getattr(info, name) for name in Provenance.model_fields}
    before = info.lineage or Lineage()
    given["trained_until"] = datetime.fromtimestamp(newest / 1e6, UTC)
    given["lineage"] = before.model_copy(
        update={
            "parent_version": challenge.challenger.version,
            "parent_digest": info.digest,
            "chosen_until": info.known_until,
            "proven_version": challenge.challenger.version,
            "proven_digest": info.digest,
            "refresh": {k: float(v) for k, v in verdict.model_dump().items()},
        }
    )
    name = info.name.removesuffix("-scratch")
    learned = {p.stem: p for p in (proven.directory / LEARNED).glob("*.safetensors")}
    mine = bundle.parent / "learned.safetensors"
    if save_trained(mine, recommender, trained_until=newest, scratch_cpu_s=0.0):
        learned[name] = mine
    tables = Tables(challenge.environment.data_dir)
    write_bundle(
        bundle,
        recommender=recommender,
        catalogue=proven.catalogue,
        histories=_known(challenge, proven),
        provenance=Provenance(**given),
        thumbnails=load_thumbnails(tables).iter_rows(),
        moments=load_moments(tables, proven.info.fingerprints.get("text")),
        ranker=None if proven.reranking is None else proven.reranking.ranker,
        learned=learned,
        joint=open_joint(proven.directory, proven.info),
        retrieval=read_section("retrieval", RetrievalConfig, challenge.environment.settings_file),
    )


def _golden_fault(bundle: Path) -> str:
    """Open it anew, compare its files, and ask its golden requests; "" where all agree."""
    try:
        Release.open(bundle).check()
    except BundleError as err:
        return str(err)
    return ""


def _register(
    challenge: Challenge, bundle: Path, info: BundleInfo, verdict: Verdict
) -> ModelVersion:
    runs, proven = Runs(challenge.environment.tracking_uri), challenge.challenger
    run_id = runs.start(
        f"{info.name}-refreshed",
        key=f"refresh/{proven.digest}",
        params=info.settings,
        tags={"stage": "refreshed", "proven_version": proven.version, "proven": proven.digest},
    )
    metrics = [(f"refresh/{name}", float(v), 0) for name, v in verdict.model_dump().items()]
    runs.log_metrics(run_id, metrics)
    tags = {"stage": "refreshed", "proven_version": proven.version}
    version = challenge.registry.register(bundle, run_id=run_id, tags=tags)
    runs.finish(run_id)
    return version
