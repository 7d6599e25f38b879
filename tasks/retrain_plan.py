"""What one retrain works on, under which key, and alone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from kinoloop import __version__
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.locks import held
from kinoloop.ranking.config import RankerConfig
from kinoloop.registry.client import ModelRegistry
from kinoloop.settings import read_section
from kinoloop.training.contrastive import FusionSettings
from kinoloop.training.model_selection import RetrainConfig, TrainingData, load_training_data
from tasks.spool import FILE as SPOOL
from tasks.versioning import dataset_version


@dataclass(frozen=True)
class RetrainPlan:
    """One retrain: on which data, with which settings, where it works.

    Attributes:
        environment: Where things are.
        config: Section `[retrain]`.
        interest: Section `[interest]`.
        ranker: Section `[ranker]`.
        fusion: Section `[fusion]`.
        dataset_version: Of the data when the run began.
        nonce: Sets a forced run apart from the finished one.
    """

    environment: Environment
    config: RetrainConfig
    interest: InterestConfig
    ranker: RankerConfig
    fusion: FusionSettings
    dataset_version: str
    nonce: str = ""

    @property
    def settings_hash(self) -> str:
        """Of all settings that decide the outcome, and of the code's version."""
        learned = [self.fusion.contrastive] if self.fusion.contrastive.enabled else []
        return f"{__version__}-{self.config.digest(self.interest, self.ranker, *learned)}"

    @property
    def key(self) -> str:
        """Identity of the work."""
        return f"{self.dataset_version}-{self.settings_hash}{self.nonce}"

    @property
    def work_dir(self) -> Path:
        """Where unfinished work is kept."""
        return self.environment.state_dir / "retrain" / self.key

    @property
    def tables(self) -> Tables:
        """The data."""
        return Tables(self.environment.data_dir)

    @property
    def registry(self) -> ModelRegistry:
        """Where the winner goes."""
        return ModelRegistry(self.environment.tracking_uri)

    @cached_property
    def training_data(self) -> TrainingData:
        """Catalogue, histories and split, read once per run."""
        return load_training_data(
            self.tables,
            self.config,
            self.interest,
            written=self.ranker.reads_written,
            contrastive=self.fusion.contrastive,
        )


def plan_retrain(environment: Environment, *, force: bool) -> RetrainPlan:
    """Read the settings and the dataset version."""
    path = environment.settings_file
    return RetrainPlan(
        environment=environment,
        config=read_section("retrain", RetrainConfig, path),
        interest=read_section("interest", InterestConfig, path),
        ranker=read_section("ranker", RankerConfig, path),
        fusion=read_section("fusion", FusionSettings, path),
        dataset_version=dataset_version(environment),
        nonce=f"-{datetime.now(UTC):%Y%m%dT%H%M%S}" if force else "",
    )


@contextmanager
def alone(plan: RetrainPlan) -> Iterator[RetrainPlan]:
    """Hold the retrain lock, and clear away what older runs left unfinished.

    What is still to be logged to MLflow stays.

    Yields:
        The plan on the data of now: others may have written while this one waited.

    Raises:
        KinoloopError: Another retrain runs on this machine for longer than `lock_wait_s`.
    """
    root = plan.environment.state_dir / "retrain"
    with held(root / ".lock", "retrain", wait_s=plan.config.lock_wait_s):
        plan = replace(plan, dataset_version=dataset_version(plan.environment))
        for left in root.glob("[!.]*"):
            if left != plan.work_dir and not (left / SPOOL).exists():
                shutil.rmtree(left, ignore_errors=True)
        yield plan
