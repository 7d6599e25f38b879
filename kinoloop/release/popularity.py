"""What is popular now: a catalogue version tells it, so that a model does not answer with old hits.

A model learns popularity of its training window and is then in service for days. Each catalogue
version holds the popularity of the day it was made, counted from all events there are, with the
half-life that the model's validation chose; new videos are counted like any other. It moves what
popularity moves: answers to somebody new, and the trend in scores.

What is proven, or measured against the past, is the recommender without it (`Recommender.proven`):
events of a test window are in it.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.ids import IdMap
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.errors import BundleError
from kinoloop.models.base import Recommender
from kinoloop.models.config import NEVER_DAYS
from kinoloop.models.prior import popularity_prior
from kinoloop.release.files import open_array

FILE = "popularity.npy"
HALF_LIVES = 10  # that are counted: what is older weighs less than a thousandth
MOVED = 0.02  # share of all interest that lies elsewhere, from which on a version is worth making


def popularity_now(
    tables: Tables, ids: IdMap, interest: InterestConfig, *, half_life_days: float
) -> NDArray[np.float32] | None:
    """Count what is popular, (n_videos,) float32 in [0, 1]; None where there are no events.

    Args:
        tables: Where to read.
        ids: Of the catalogue.
        interest: How events weigh.
        half_life_days: Of the model.

    Raises:
        DataError: A file of the tables is damaged.
    """
    if not tables.exists("events"):
        return None
    newest = tables.scan("events").select(pl.col("timestamp").max()).collect().item()
    if newest is None:
        return None
    days = HALF_LIVES * half_life_days
    since = newest.astimezone(UTC) - timedelta(days=days) if days < NEVER_DAYS else None
    if since is not None and since < datetime(1970, 1, 1, tzinfo=UTC):
        since = None
    found = popularity_prior(
        load_histories(tables, ids, interest, since=since), len(ids), half_life_days
    )
    return found if found.any() else None


def has_moved(before: NDArray[np.float32], now: NDArray[np.float32] | None) -> bool:
    """Whether interest lies elsewhere than it did; videos that are new count as 0 before."""
    if now is None:
        return False
    then = np.zeros(len(now))
    then[: len(before)] = before
    shares = then / max(then.sum(), 1e-12), now / max(float(now.sum()), 1e-12)
    return bool(np.abs(shares[0] - shares[1]).sum() / 2 > MOVED)


def served(proven: Recommender, directory: Path) -> Recommender:
    """Return a recommender with the popularity that stands in a bundle, or as it is.

    Raises:
        BundleError: It is of another catalogue, or no popularity.
    """
    if not (directory / FILE).exists():
        return proven
    popularity = np.array(open_array(directory / FILE), dtype=np.float32)
    if popularity.shape != proven.prior.shape or not (
        np.isfinite(popularity).all() and popularity.min(initial=0) >= 0
    ):
        raise BundleError(
            f"{directory / FILE} holds {popularity.shape} numbers, expected {len(proven.prior)} "
            "finite ones from 0 up: publish again"
        )
    return proven.at_popularity(popularity)
