"""Fit one candidate on several processes; `kinoloop retrain` then finds it trained.

    torchrun --nproc-per-node 4 -m kinoloop.training.fit sequence

Every process reads the same data and settings (`KINOLOOP_…` variables, `kinoloop.toml`) and takes
its part of every step; the first one validates and writes checkpoints. Retrain, with the same data
and settings, goes on from the last of them, which is at once where the training had ended.
"""

import argparse
import logging
from pathlib import Path

from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.settings import read_section
from kinoloop.training.contrastive import FusionSettings
from kinoloop.training.model_selection import (
    RetrainConfig,
    build_candidate,
    candidate_name,
    load_training_data,
)

logger = logging.getLogger(__name__)


FROM_SCRATCH = "from-scratch"
"""Beside checkpoints: they are of this program, which knows of no champion to go on from."""


def checkpoints_of(environment: Environment, name: str) -> Path:
    """Where the training of a candidate keeps its checkpoints."""
    return environment.state_dir / "checkpoints" / name


def fit_candidate(environment: Environment, name: str) -> None:
    """Fit the candidate of that name and leave its checkpoints.

    Raises:
        ConfigError: The settings name no such candidate.
    """
    config = read_section("retrain", RetrainConfig, environment.settings_file)
    interest = read_section("interest", InterestConfig, environment.settings_file)
    candidates = {candidate_name(candidate): candidate for candidate in config.candidates}
    if name not in candidates:
        raise ConfigError(
            f"{environment.settings_file} has no candidate {name!r}; there are "
            f"{', '.join(candidates)}"
        )
    fusion = read_section("fusion", FusionSettings, environment.settings_file)
    tables = Tables(environment.data_dir)
    data = load_training_data(tables, config, interest, contrastive=fusion.contrastive)
    recommender = build_candidate(candidates[name], seed=config.seed)
    recommender.checkpoints = checkpoints_of(environment, name)
    recommender.checkpoints.mkdir(parents=True, exist_ok=True)
    (recommender.checkpoints / FROM_SCRATCH).touch()
    recommender.fit(data.split.train, data.catalogue, validation=data.split.validation)


def main() -> None:
    """Parse the arguments."""
    parser = argparse.ArgumentParser(description="Fit one candidate, also under torchrun.")
    parser.add_argument("candidate", help="its name in kinoloop.toml")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    fit_candidate(Environment(), parser.parse_args().candidate)


if __name__ == "__main__":
    main()
