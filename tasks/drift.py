"""Drift on this machine: fetch the champion, measure, start a retrain run, leave a report."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.drift.base import Scene
from kinoloop.drift.champion import load_champion
from kinoloop.drift.detect import Drift, DriftConfig, detect
from kinoloop.drift.record import FOLDER, record_of
from kinoloop.drift.report import ReportFacts, facts_of, render, verdict, write
from kinoloop.drift.windows import load_windows, why_nothing
from kinoloop.environment import Environment
from kinoloop.errors import BundleError, RegistryError
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.runs import Runs
from kinoloop.release.release import Release
from kinoloop.release.signature import load_trust
from kinoloop.settings import read_section
from tasks.versioning import dataset_version

logger = logging.getLogger(__name__)

RETRAIN = "retrain/retrain"
EVENT = "kinoloop.drift.fired"


@dataclass(frozen=True)
class FetchedChampion:
    """The model in service, on this machine."""

    version: str
    bundle: Path
    run_id: str


@dataclass(frozen=True)
class Found:
    """What `look_for_drift` saw."""

    drift: Drift
    compared: dict[str, str]
    champion: str
    false_alarms: float
    run_id: str = ""


@task(name="fetch champion", retries=2, retry_delay_seconds=10, timeout_seconds=900)
def fetch_champion(environment: Environment) -> FetchedChampion | None:
    """Download the champion's bundle into the local cache.

    Returns:
        None before the first promotion, and where the champion is damaged, gone or not to be
        trusted: then the tests that need no champion are run alone.
    """
    registry = ModelRegistry(environment.tracking_uri)
    champion = registry.champion()
    if champion is None:
        return None
    trust = load_trust(environment)
    try:
        bundle = registry.download(champion, environment.releases, trust=trust)
    except BundleError as err:
        logger.warning("looking for drift without the champion: %s", err)
        return None
    return FetchedChampion(champion.version, bundle, champion.run_id)


@task(name="look for drift", timeout_seconds=3600, cache_policy=NO_CACHE)
def look_for_drift(environment: Environment, fetched: FetchedChampion | None) -> Found:
    """Run the drift tests that the settings name.

    Raises:
        ConfigError: A test is unknown or one of its settings is wrong.
    """
    config = read_section("drift", DriftConfig, environment.settings_file)
    interest = read_section("interest", InterestConfig, environment.settings_file)
    tables = Tables(environment.data_dir)
    release = Release.open(fetched.bundle) if fetched else None
    known_until = release.info.known_until or release.info.trained_until if release else None
    windows = load_windows(
        tables, config, interest=interest, known_until=known_until, seed=config.seed
    )
    champion = f"version {fetched.version}, {release.info.kind}" if fetched and release else ""
    run_id = fetched.run_id if fetched else ""
    if windows is None:
        nothing = why_nothing(tables, config, known_until=known_until)
        logger.info("drift: %s", nothing)
        nowhere = Drift((), fired=False, nothing=nothing)
        return Found(nowhere, {}, champion, config.false_alarms, run_id)
    scene = Scene(
        windows=windows,
        catalogue=load_catalogue(tables),
        champion=load_champion(
            release,
            tables,
            interest,
            until=windows.periods[-1].end,
            max_users=config.max_users,
            seed=config.seed,
        )
        if release
        else None,
        permutations=config.permutations,
        top_k=config.top_k,
        seed=config.seed,
    )
    found = detect(scene, config)
    return Found(found, facts_of(windows), champion, config.false_alarms, run_id)


@task(name="trigger retrain", retries=2, retry_delay_seconds=5, cache_policy=NO_CACHE)
def trigger_retrain(found: Found) -> str:
    """Start the retrain deployment where there is one, and tell Prefect that drift was found.

    Returns:
        What was done, for people.
    """
    fired = [result.name for result in found.drift.results if result.outcome == "fired"]
    resource = {"prefect.resource.id": "kinoloop.drift", "prefect.resource.name": "kinoloop drift"}
    emit_event(EVENT, resource=resource, payload={"fired": fired, "champion": found.champion})
    try:
        run = cast("FlowRun", run_deployment(RETRAIN, timeout=0, as_subflow=False))
    except ObjectNotFound:
        logger.warning(
            "drift fired, but no deployment is called %s: run `kinoloop retrain`", RETRAIN
        )
        return (
            "No retrain deployment was found to start: run `kinoloop retrain`, "
            "or deploy the flows with `prefect deploy --all`."
        )
    logger.info("drift fired: started the retrain run %s", run.name)
    return f"The retrain run “{run.name}” was started; the champion stays until a better one wins."


@task(name="write drift report", retries=1, cache_policy=NO_CACHE)
def write_report(environment: Environment, found: Found, action: str) -> str:
    """Write the report, link it from a Prefect artifact, and put the record beside the champion.

    The record is what the service shows to operators. Where MLflow is away by now, it is missing,
    and the report stands all the same.

    Returns:
        Path of the report.
    """
    created = datetime.now(UTC)
    about = ReportFacts(
        created=created,
        compared=found.compared,
        champion=found.champion,
        dataset=dataset_version(environment),
        false_alarms=found.false_alarms,
        action=action,
    )
    directory = environment.state_dir / "reports"
    path = write(directory, render(found.drift, about), created=created)
    create_markdown_artifact(
        key="drift",
        markdown=_markdown(found, path, action),
        description=verdict(found.drift),
    )
    logger.info("drift report: %s", path)
    if found.run_id:
        record = record_of(found.drift, about).model_dump_json(indent=2)
        name = f"{FOLDER}/{created:%Y%m%dT%H%M%S}.json"
        try:
            Runs(environment.tracking_uri).log_text(found.run_id, record, name)
        except RegistryError as err:
            logger.warning("the record of this report is not in MLflow: %s", err)
    return str(path)


def _markdown(found: Found, path: Path, action: str) -> str:
    rows = "\n".join(
        f"| {result.title} | {result.outcome} | {result.measurement.said} |"
        for result in found.drift.results
    )
    return (
        f"## {verdict(found.drift)}\n\n{action}\n\n"
        f"[Open the report]({path.resolve().as_uri()}) (`{path}`)\n\n"
        f"| test | outcome | found |\n|---|---|---|\n{rows}\n"
    )
