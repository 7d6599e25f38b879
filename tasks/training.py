"""Tasks of the retrain flow: candidates are fitted, measured, logged; the winner is released.

Finished work is kept in a working folder whose name is a hash of data and settings, so that a
run that was killed, or whose registry was away, goes on where it stopped.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from prefect import task
from prefect.cache_policies import NO_CACHE
from safetensors import SafetensorError

from kinoloop import __version__, durable
from kinoloop.data.catalogue import load_moments, load_thumbnails
from kinoloop.data.rating_scale import found_in
from kinoloop.data.search_log import load_search_log
from kinoloop.encoders.recorded import text_encoder
from kinoloop.errors import RegistryError
from kinoloop.models import base as models
from kinoloop.privacy.pseudonyms import load_pseudonyms
from kinoloop.registry.model_version import ModelVersion
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from kinoloop.release.search_training import MOST_PAIRS
from kinoloop.release.signature import load_signer, load_trust
from kinoloop.retrieval.config import RetrievalConfig
from kinoloop.schema import TABLES
from kinoloop.settings import read_section
from kinoloop.training.blending import part_names
from kinoloop.training.fit import checkpoints_of
from kinoloop.training.model_selection import SplitConfig, fit_and_evaluate
from kinoloop.training.outcome import SELECTION_METRIC, Outcome, choose, scores_by_candidate
from kinoloop.training.warm_start import save_trained
from tasks.publishing import PER_USER, replay, why_away
from tasks.ranker import load_ranker, ranker_metrics
from tasks.results import KEPT, RetrainSummary
from tasks.retrain_plan import RetrainPlan
from tasks.spool import BUNDLE, Spool, write_spool
from tasks.warm_start import LEARNED_FILE, Start, learned_files, lineage_of, start_of

logger = logging.getLogger(__name__)


@task(name="look for finished work", cache_policy=NO_CACHE)
def find_finished(plan: RetrainPlan) -> ModelVersion | None:
    """Find the champion or challenger that was made of the same data with the same settings.

    One that is not signed by a key that is trusted here cannot serve here, so it is none.
    """
    trusted = load_trust(plan.environment).keys
    for alias in ("champion", "challenger"):
        known = plan.registry.by_alias(alias)
        if (
            known is not None
            and known.signed_by in trusted
            and (
                known.tags.get("dataset_version"),
                known.tags.get("settings_hash"),
            )
            == (plan.dataset_version, plan.settings_hash)
        ):
            return known
    return None


def find_finished_after_replay(
    plan: RetrainPlan, *, force: bool
) -> tuple[ModelVersion | None, str]:
    """Return what is finished after MLflow was told what waited; and why it is away, or ""."""
    away = why_away(plan.environment)
    if away:
        return None, away
    try:
        replay(plan.environment)
        return None if force else find_finished(plan), ""
    except RegistryError as err:
        return None, str(err)


@task(name="load data", cache_policy=NO_CACHE)
def load_data(plan: RetrainPlan) -> None:
    """Read catalogue and histories and split them; too little of them fails here, clearly."""
    split = plan.training_data.split
    sizes = {
        "videos": len(plan.training_data.catalogue),
        "users": len(plan.training_data.histories),
        "interactions": len(plan.training_data.histories.videos),
        "training_interactions": len(split.train.videos),
        "validation_users": len(split.validation),
        "test_users": len(split.test),
    }
    logger.info("%s", sizes)


@task(name="train", task_run_name="train {name}", cache_policy=NO_CACHE)
def train_candidate(
    plan: RetrainPlan, candidate: dict[str, Any], name: str, *, start: Start, anew: bool
) -> Outcome:
    """Fit and measure one candidate, or take what an earlier run finished."""
    folder = plan.work_dir / name
    done = folder / "outcome.json"
    if done.exists() and (finished := _finished(plan, folder)) is not None:
        logger.info("%s was finished earlier", name)
        return finished
    shutil.rmtree(folder, ignore_errors=True)
    logger.info("fitting %s", name)
    checkpoints = checkpoints_of(plan.environment, name)
    parts = {
        part: models.load(plan.work_dir / part / "model", plan.training_data.catalogue)
        for part in part_names(candidate)
    }
    recommender, outcome, per_user = fit_and_evaluate(
        candidate,
        replace(plan.training_data, fitted=parts),
        seed=plan.config.seed,
        checkpoints=checkpoints,
        start=start_of(plan, start, candidate, anew=anew),
        before_after=plan.config.before_after,
    )
    recommender.save(folder / "model")
    save_trained(
        folder / LEARNED_FILE,
        recommender,
        trained_until=int(plan.training_data.split.train.timestamps.max()),
        scratch_cpu_s=outcome.scratch_cpu_seconds,
    )
    per_user.drop("user_id").write_parquet(folder / PER_USER)  # rows pair without naming anybody
    durable.sync_tree(folder)  # the outcome says that all of it is there
    durable.write_text(done, outcome.model_dump_json())
    shutil.rmtree(checkpoints, ignore_errors=True)
    logger.info("%s: %s %.4f", name, SELECTION_METRIC, outcome.validation[SELECTION_METRIC])
    return outcome


def _finished(plan: RetrainPlan, folder: Path) -> Outcome | None:
    """Read what an earlier run finished; None where a file is damaged, so that it is made again."""
    try:
        models.load(folder / "model", plan.training_data.catalogue)
        pl.scan_parquet(folder / PER_USER).collect_schema()
        return Outcome.model_validate_json((folder / "outcome.json").read_bytes())
    except (OSError, ValueError, KeyError, SafetensorError, pl.exceptions.PolarsError) as err:
        logger.warning("%s holds damaged work of an earlier run, it is made again: %s", folder, err)
        return None


@task(name="release winner", cache_policy=NO_CACHE)
def release_winner(
    plan: RetrainPlan, outcomes: Sequence[Outcome], failed: Mapping[str, str], start: Start
) -> RetrainSummary:
    """Write the winner's bundle, and all that MLflow is to be told, into the working folder.

    Returns:
        What the flow returns where MLflow is away.
    """
    winner, bundle = choose(outcomes), plan.work_dir / BUNDLE
    if not bundle.exists():
        catalogue = plan.training_data.catalogue
        write_bundle(
            bundle,
            recommender=models.load(plan.work_dir / winner.name / "model", catalogue),
            catalogue=catalogue,
            histories=plan.training_data.histories,
            provenance=_provenance(plan, winner, outcomes, start),
            learned=learned_files(plan.work_dir, outcomes),
            searches=load_search_log(plan.tables, catalogue.ids, most=MOST_PAIRS),
            thumbnails=load_thumbnails(plan.tables).iter_rows(),
            moments=load_moments(plan.tables, catalogue.fingerprints.get("text")),
            ranker=load_ranker(plan),
            joint=plan.training_data.joint,
            retrieval=read_section("retrieval", RetrievalConfig, plan.environment.settings_file),
        )
    load_signer(plan.environment).sign(bundle)
    spool = Spool(
        key=plan.key,
        params={"seed": plan.config.seed, "split": _split(plan)},
        tags={
            "dataset_version": plan.dataset_version,
            "settings_hash": plan.settings_hash,
            **{f"fingerprint.{m}": f for m, f in plan.training_data.catalogue.fingerprints.items()},
        },
        outcomes=list(outcomes),
        failed=dict(failed),
        ranker=ranker_metrics(plan.work_dir),
        start=start.why_not,
    )
    write_spool(plan.work_dir, spool)
    return RetrainSummary(
        outcome=KEPT,
        candidate=winner.name,
        competed=scores_by_candidate(outcomes),
        failed=spool.failed,
        ranker=spool.ranker,
    )


def _provenance(
    plan: RetrainPlan, winner: Outcome, outcomes: Sequence[Outcome], start: Start
) -> Provenance:
    split = plan.training_data.split
    trained, known = split.train.timestamps, plan.training_data.histories.timestamps
    return Provenance(
        name=winner.name,
        dataset_version=plan.dataset_version,
        table_versions={name: plan.tables.version(name) for name in TABLES},
        settings_hash=plan.settings_hash,
        code_version=__version__,
        key_id=load_pseudonyms(plan.environment).key_id,
        trained_from=_moment(trained.min()),
        trained_until=_moment(trained.max()),
        known_until=_moment(known.max()),
        split=_split(plan),
        encoders=text_encoder(plan.tables, plan.training_data.catalogue.fingerprints),
        competed=scores_by_candidate(outcomes),
        fusion=plan.fusion.weights,
        metrics=winner.test,
        ranker=ranker_metrics(plan.work_dir),
        rating_liked_from=found_in(plan.tables.scan("events")),
        lineage=lineage_of(plan, start, winner),
    )


def _split(plan: RetrainPlan) -> dict[str, Any]:
    return plan.config.model_dump(mode="json", include=set(SplitConfig.model_fields))


def _moment(timestamp: np.int64) -> datetime:
    return datetime.fromtimestamp(int(timestamp) / 1e6, UTC)
