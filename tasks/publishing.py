"""Tasks that tell MLflow of a retrain: candidates as runs, the winner as registered challenger.

They read a spool (`tasks/spool.py`) and nothing else, may be cut off anywhere, and are done again
from the start. MLflow is asked first, within seconds, whether it is there: a server that accepts
and never answers would else cost the patience of each call.
"""

import logging
import shutil
import tempfile
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from kinoloop.environment import Environment
from kinoloop.errors import RegistryError
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.copies import keep_copy
from kinoloop.registry.model_version import ModelVersion
from kinoloop.registry.runs import Runs
from kinoloop.release.signature import load_signer
from kinoloop.training.outcome import Outcome
from tasks.ranker import log_ranker
from tasks.spool import BUNDLE, FILE, Spool, read_spool, waiting
from tasks.stages import stage_metrics, tuning_params
from tasks.training_report import plot_candidates, plot_epochs, selection_page

logger = logging.getLogger(__name__)

PER_USER = "per_user.parquet"


@task(name="ask MLflow", cache_policy=NO_CACHE)
def why_away(environment: Environment) -> str:
    """Why MLflow cannot be told anything now; "" where it answers."""
    try:
        ModelRegistry(environment.tracking_uri).ask()
    except RegistryError as err:
        logger.warning("training goes on without MLflow and logs there later: %s", err)
        return str(err)
    return ""


@task(name="send MLflow what waits", cache_policy=NO_CACHE)
def replay(environment: Environment) -> list[ModelVersion]:
    """Tell MLflow of earlier retrains that it was away for; call it inside `alone`.

    Raises:
        RegistryError: MLflow is away or refuses; what is left waits on.
    """
    return [publish.fn(environment, folder) for folder in waiting(environment)]


@task(name="publish", cache_policy=NO_CACHE)
def publish(environment: Environment, folder: Path) -> ModelVersion:
    """Log every candidate, register the winner, make it the challenger, and empty the spool.

    Raises:
        RegistryError: MLflow is away or refuses; the spool stays.
    """
    spool, registry = read_spool(folder), ModelRegistry(environment.tracking_uri)
    registry.ask()
    runs = Runs(environment.tracking_uri)
    run_ids = {o.name: _log_candidate(runs, spool, o, folder) for o in spool.outcomes}
    run_id, bundle = run_ids[spool.winner.name], folder / BUNDLE
    with tempfile.TemporaryDirectory() as scratch:
        runs.log_file(run_id, plot_candidates(spool.outcomes, Path(scratch)), "plots")
    log_ranker(folder, runs, run_id, at_ms=spool.at_ms)
    load_signer(environment).sign(bundle)
    version = registry.register(bundle, run_id=run_id, tags={})
    _make_challenger(environment, registry, version)
    (folder / FILE).unlink()  # MLflow has it all; what follows may be cut off
    keep_copy(bundle, environment.releases, version.digest)
    shutil.rmtree(folder)
    create_markdown_artifact(
        key="retrain",
        markdown=selection_page(spool.outcomes, spool.failed, version, spool.ranker),
        description=f"Version {version.version}",
    )
    return version


def _make_challenger(
    environment: Environment, registry: ModelRegistry, version: ModelVersion
) -> None:
    """Let the version wait for its proof, unless it has it, or a newer one waits already."""
    with registry.moving_aliases(environment.state_dir):
        others = registry.champion(), registry.by_alias("challenger")
        champion, challenger = (int(other.version) if other else 0 for other in others)
        if int(version.version) != champion and int(version.version) >= challenger:
            registry.set_alias("challenger", version.version)


def _start_tags(outcome: Outcome) -> dict[str, str]:
    """Say of a candidate that can go on from earlier weights what it started from."""
    if outcome.started_from:
        return {"started_from": outcome.started_from}
    return (
        {"started_from": "scratch", "scratch_because": outcome.scratch_because}
        if (outcome.scratch_because)
        else {}
    )


def _log_candidate(runs: Runs, spool: Spool, outcome: Outcome, folder: Path) -> str:
    """Write one candidate to MLflow as one run; returns the run id."""
    run_id = runs.start(
        outcome.name,
        key=f"{spool.key}/{outcome.name}",
        params={**outcome.settings, **tuning_params(outcome), **spool.params},
        tags={**spool.tags, **_start_tags(outcome)},
    )
    if runs.is_finished(run_id):
        return run_id
    windows = {"validation": outcome.validation, "test": outcome.test}
    windows |= {f"test.{name}": metrics for name, metrics in outcome.slices.items()}
    metrics = [
        *outcome.epochs,
        ("fit_seconds", outcome.fit_seconds, 0),
        ("fit_cpu_seconds", outcome.cpu_seconds, 0),
        *(
            (f"{window}/{metric}", value, 0)
            for window, metrics in windows.items()
            for metric, value in metrics.items()
        ),
        *stage_metrics(outcome),
    ]
    runs.log_metrics(run_id, metrics, at_ms=spool.at_ms)
    runs.log_file(run_id, folder / outcome.name / PER_USER)
    with tempfile.TemporaryDirectory() as scratch:
        for plot in plot_epochs(outcome, Path(scratch)):
            runs.log_file(run_id, plot, "plots")
    runs.finish(run_id)
    return run_id
