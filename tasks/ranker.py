"""The ranker in a retrain: fitted for the winner, kept beside its bundle, logged."""

import json
import logging
import shutil
from functools import partial
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from kinoloop import durable
from kinoloop.data.exposures import load_exposures
from kinoloop.data.video_text import read_texts
from kinoloop.errors import DataError
from kinoloop.evaluation.plots import plot_reliability
from kinoloop.models import base as models
from kinoloop.ranking.ranker import Ranker
from kinoloop.registry.runs import Runs
from kinoloop.training.outcome import Outcome
from kinoloop.training.ranker import WinnerData, rank_winner
from tasks.retrain_plan import RetrainPlan

logger = logging.getLogger(__name__)

FOLDER = "@ranker"  # no candidate can be called so


@task(name="train ranker", cache_policy=NO_CACHE)
def train_ranker(plan: RetrainPlan, winner: Outcome) -> dict[str, float]:
    """Fit the ranker that orders the winner's slates, or take what an earlier run finished.

    Data that has nothing to learn a ranker from is no reason to fail: the release goes without.
    """
    folder = plan.work_dir / FOLDER
    if (folder / "metrics.json").exists():
        logger.info("the ranker was finished earlier")
        return ranker_metrics(plan.work_dir)
    shutil.rmtree(folder, ignore_errors=True)
    catalogue = plan.training_data.catalogue
    try:
        found = rank_winner(
            plan.ranker,
            models.load(plan.work_dir / winner.name / "model", catalogue),
            WinnerData(
                split=plan.training_data.split,
                histories=plan.training_data.histories,
                exposures=load_exposures(plan.tables, catalogue.ids),
            ),
            texts=partial(read_texts, plan.tables, catalogue.ids),
            seed=plan.config.seed,
        )
    except DataError as err:
        logger.warning("the release goes without a ranker: %s", err)
        return {}
    metrics = found.metrics
    found.ranker.save(folder / "model")
    plot_reliability(found.test.labels, found.probabilities, folder)
    durable.sync_tree(folder)  # the metrics say that all of it is there
    durable.write_json(folder / "metrics.json", metrics)
    rows = "".join(f"| {name} | {value:.4f} |\n" for name, value in metrics.items())
    create_markdown_artifact(
        key="ranker",
        markdown=f"# Ranker for {winner.name}\n\n| metric | value |\n| --- | --- |\n{rows}",
    )
    return metrics


def ranker_metrics(work_dir: Path) -> dict[str, float]:
    """Return what the ranker achieved; empty where there is none."""
    path = work_dir / FOLDER / "metrics.json"
    found: dict[str, float] = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def log_ranker(work_dir: Path, runs: Runs, run_id: str, *, at_ms: int) -> None:
    """Write the ranker's metrics and its reliability diagram to the winner's run."""
    metrics = [(f"ranker/{name}", value, 0) for name, value in ranker_metrics(work_dir).items()]
    if metrics:
        runs.log_metrics(run_id, metrics, at_ms=at_ms)
        runs.log_file(run_id, work_dir / FOLDER / "reliability.png", "plots")


def load_ranker(plan: RetrainPlan) -> Ranker | None:
    """Load the ranker of this retrain; None where there is none."""
    if not ranker_metrics(plan.work_dir):
        return None
    return Ranker.load(plan.work_dir / FOLDER / "model", plan.training_data.catalogue)
