"""Tasks of the retrain flow: candidates are fitted, measured, logged; the winner is released.

Finished work is kept in a working folder whose name is a hash of data and settings, so that a
run that was killed, or whose registry was away, goes on where it stopped.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from safetensors import SafetensorError

from kinoloop import __version__, durable
from kinoloop.data.catalogue import load_thumbnails
from kinoloop.data.fusion import FusionConfig
from kinoloop.data.rating_scale import found_in
from kinoloop.data.tables import Tables
from kinoloop.encoders import base as encoders
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.evaluation.contest import (
    CHOSEN_BY,
    Outcome,
    SplitConfig,
    choose,
    compete,
    competed,
)
from kinoloop.evaluation.fit import checkpoints_of
from kinoloop.models import base as models
from kinoloop.privacy.pseudonyms import load_pseudonyms
from kinoloop.registry.client import ModelVersion
from kinoloop.registry.copies import keep_copy
from kinoloop.registry.runs import Runs
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Lineage, read_info
from kinoloop.release.signature import load_signer, load_trust
from kinoloop.schema import TABLES
from kinoloop.settings import read_section
from tasks.plan import Plan
from tasks.ranker import load_ranker, log_ranker, ranker_metrics
from tasks.training_report import contest_page, plot_candidates, plot_epochs

logger = logging.getLogger(__name__)

PER_USER = "per_user.parquet"


@task(name="look for finished work", retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE)
def find_finished(plan: Plan) -> ModelVersion | None:
    """The champion or challenger that was made of the same data with the same settings.

    One that is not signed by a key that is trusted here can not serve here, so it is none.
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


@task(name="load data", cache_policy=NO_CACHE)
def load_data(plan: Plan) -> dict[str, int]:
    """Read catalogue and histories and split them; too little of them fails here, clearly."""
    split = plan.problem.split
    sizes = {
        "videos": len(plan.problem.catalogue),
        "users": len(plan.problem.histories),
        "interactions": len(plan.problem.histories.videos),
        "training_interactions": len(split.train.videos),
        "validation_users": len(split.validation),
        "test_users": len(split.test),
    }
    logger.info("%s", sizes)
    return sizes


@task(name="train", task_run_name="train {name}", cache_policy=NO_CACHE)
def train_candidate(plan: Plan, candidate: dict[str, Any], name: str) -> Outcome:
    """Fit and measure one candidate, or take what an earlier run finished."""
    folder = plan.work_dir / name
    done = folder / "outcome.json"
    if done.exists() and (finished := _finished(plan, folder)) is not None:
        logger.info("%s was finished earlier", name)
        return finished
    shutil.rmtree(folder, ignore_errors=True)
    logger.info("fitting %s", name)
    checkpoints = checkpoints_of(plan.environment, name)
    recommender, outcome, per_user = compete(
        candidate, plan.problem, seed=plan.config.seed, checkpoints=checkpoints
    )
    recommender.save(folder / "model")
    per_user.drop("user_id").write_parquet(folder / PER_USER)  # rows pair without naming anybody
    durable.sync_tree(folder)  # the outcome says that all of it is there
    durable.write_text(done, outcome.model_dump_json())
    shutil.rmtree(checkpoints, ignore_errors=True)
    logger.info("%s: %s %.4f", name, CHOSEN_BY, outcome.validation[CHOSEN_BY])
    return outcome


def _finished(plan: Plan, folder: Path) -> Outcome | None:
    """What an earlier run finished; None where a file of it is damaged, so that it is made anew."""
    try:
        models.load(folder / "model", plan.problem.catalogue)
        pl.scan_parquet(folder / PER_USER).collect_schema()
        return Outcome.model_validate_json((folder / "outcome.json").read_bytes())
    except (OSError, ValueError, KeyError, SafetensorError, pl.exceptions.PolarsError) as err:
        logger.warning("%s holds damaged work of an earlier run, it is made anew: %s", folder, err)
        return None


@task(name="log candidate", retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE)
def log_candidate(plan: Plan, outcome: Outcome) -> str:
    """Write one candidate to MLflow as one run; returns the run id."""
    runs = Runs(plan.environment.tracking_uri)
    run_id = runs.start(
        outcome.name,
        key=f"{plan.key}/{outcome.name}",
        params={**outcome.settings, "seed": plan.config.seed, "split": _split(plan)},
        tags={
            "dataset_version": plan.dataset_version,
            "settings_hash": plan.settings_hash,
            **{f"fingerprint.{m}": f for m, f in plan.problem.catalogue.fingerprints.items()},
        },
    )
    if runs.is_finished(run_id):
        return run_id
    windows = {"validation": outcome.validation, "test": outcome.test}
    windows |= {f"test.{name}": metrics for name, metrics in outcome.slices.items()}
    runs.log_metrics(
        run_id,
        [
            *outcome.epochs,
            ("fit_seconds", outcome.fit_seconds, 0),
            *(
                (f"{window}/{metric}", value, 0)
                for window, metrics in windows.items()
                for metric, value in metrics.items()
            ),
        ],
    )
    runs.log_file(run_id, plan.work_dir / outcome.name / PER_USER)
    with tempfile.TemporaryDirectory() as folder:
        for plot in plot_epochs(outcome, Path(folder)):
            runs.log_file(run_id, plot, "plots")
    runs.finish(run_id)
    return run_id


@task(name="release winner", retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def release_winner(plan: Plan, outcomes: Sequence[Outcome], run_id: str) -> ModelVersion:
    """Write the winner's bundle, register it and make it the challenger."""
    winner, registry = choose(outcomes), plan.registry
    bundle = plan.work_dir / "bundle"
    if not bundle.exists():
        catalogue = plan.problem.catalogue
        thumbnails = load_thumbnails(plan.tables)
        write_bundle(
            bundle,
            recommender=models.load(plan.work_dir / winner.name / "model", catalogue),
            catalogue=catalogue,
            histories=plan.problem.histories,
            lineage=_lineage(plan, winner, outcomes),
            thumbnails=thumbnails.iter_rows(),
            ranker=load_ranker(plan),
        )
    load_signer(plan.environment).sign(bundle)
    with tempfile.TemporaryDirectory() as folder:
        plot = plot_candidates(outcomes, Path(folder))
        Runs(plan.environment.tracking_uri).log_file(run_id, plot, "plots")
    log_ranker(plan, Runs(plan.environment.tracking_uri), run_id)
    version = registry.register(bundle, run_id=run_id, tags={})
    champion = registry.champion()
    if champion is None or champion.version != version.version:
        with registry.moving_aliases(plan.environment.state_dir):
            registry.set_alias("challenger", version.version)
    keep_bundle(plan.environment, bundle)
    shutil.rmtree(plan.work_dir)
    return version


def keep_bundle(environment: Environment, bundle: Path) -> None:
    """Move a bundle to the local cache, so that it need not be downloaded here."""
    keep_copy(bundle, environment.state_dir / "releases", read_info(bundle).digest)


@task(name="report", cache_policy=NO_CACHE)
def publish_report(
    outcomes: Sequence[Outcome], failed: Mapping[str, str], version: ModelVersion
) -> None:
    """Leave the page in Prefect."""
    create_markdown_artifact(
        key="retrain",
        markdown=contest_page(outcomes, failed, version),
        description=f"Version {version.version}",
    )


def _lineage(plan: Plan, winner: Outcome, outcomes: Sequence[Outcome]) -> Lineage:
    split = plan.problem.split
    trained, known = split.train.timestamps, plan.problem.histories.timestamps
    return Lineage(
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
        encoders=text_encoder(plan.tables, plan.problem.catalogue.fingerprints),
        competed=competed(outcomes),
        fusion=read_section("fusion", FusionConfig, plan.environment.settings_file),
        metrics=winner.test,
        ranker=ranker_metrics(plan),
        rating_liked_from=found_in(plan.tables),
    )


def text_encoder(tables: Tables, fingerprints: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Settings of the encoder that made the text vectors, so that a search can encode its query.

    Returns:
        `{"text": settings}`, also when `[extract]` names another encoder by now whose vectors are
        not complete; empty where there are no text vectors, or where the model that made them has
        gone or changed: then search goes by words alone until the next extract.
    """
    if "text" not in fingerprints:
        return {}
    wanted = fingerprints["text"]
    recorded = tables.scan("encoders").filter(pl.col("fingerprint") == wanted).collect()
    for text in recorded["settings"]:
        settings: dict[str, Any] = json.loads(text)
        try:
            found = encoders.identify(settings)
        except ConfigError as err:
            found = f"gone ({err})"
        if found == wanted:
            return {"text": settings}
        logger.warning(
            "the text vectors are of %s, but its encoder is %s: this release searches by words "
            "only; run `kinoloop extract`, then retrain",
            wanted,
            found,
        )
    return {}


def _split(plan: Plan) -> dict[str, Any]:
    return plan.config.model_dump(mode="json", include=set(SplitConfig.model_fields))


def _moment(timestamp: np.int64) -> datetime:
    return datetime.fromtimestamp(int(timestamp) / 1e6, UTC)
