"""The model in service, as drift tests see it."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.models.base import Recommender
from kinoloop.release.release import Release


@dataclass(frozen=True)
class Champion:
    """The model in service with what a panel of users did.

    Attributes:
        recommender: Fitted on `catalogue`.
        catalogue: The videos that it knows.
        histories: Interactions up to now over `catalogue`, one row per user.
        metrics: Quality on its test window, by name, such as `ndcg@10`.
    """

    recommender: Recommender
    catalogue: Catalogue
    histories: Histories
    metrics: dict[str, float]


def load_champion(
    release: Release,
    tables: Tables,
    interest: InterestConfig,
    *,
    until: datetime,
    max_users: int,
    seed: int = 0,
) -> Champion:
    """Give a release the histories of a seeded panel of at most `max_users` users."""
    histories = load_histories(tables, release.catalogue.ids, interest, until=until)
    if len(histories) > max_users:
        rng = np.random.default_rng(seed)
        histories = histories.rows(np.sort(rng.choice(len(histories), max_users, replace=False)))
    return Champion(
        recommender=release.recommender.proven,
        catalogue=release.catalogue,
        histories=histories,
        metrics=release.info.metrics,
    )
