"""The sample is worth something only if a recommender that learns beats one that does not."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.models.base import build
from kinoloop.sample import Truth, build_world
from kinoloop.sample.behaviour import simulate

TOP_K = 10


@pytest.fixture(scope="module")
def world():
    return build_world()


@pytest.fixture(scope="module")
def closeness(world):
    """Mean closeness of a recommender's slates at the end of the first batch."""
    at = world.config.at(world.config.history_days)
    ids = IdMap(video.video_id for video in world.videos)
    published = [world.config.at(video.published).timestamp() * 1e6 for video in world.videos]
    catalogue = Catalogue(ids, np.array(published, dtype=np.int64), pl.DataFrame())
    views = simulate(world).filter(pl.col("event") == "view", pl.col("timestamp") < at)
    seen = dict(views.unique(["user_id", "video_id"]).group_by("user_id").agg("video_id").rows())
    moments = views.group_by("user_id", "video_id").agg(pl.col("timestamp").min()).sort("timestamp")
    rows = {user: [] for user in world.user_ids}
    for user, video, moment in moments.iter_rows():
        watched_at = int((moment - world.config.start) / timedelta(microseconds=1))
        rows[user].append(Interaction(ids.index(video), timestamp=watched_at))
    histories = Histories.from_rows(list(rows.values()), list(rows))
    truth, out = Truth(world), catalogue.published_at <= at.timestamp() * 1e6

    def measure(kind):
        scores = build({"kind": kind}).fit(histories, catalogue).score(histories)
        values = []
        for row, user in enumerate(rows):
            known = seen.get(user, [])
            allowed = out.copy()
            allowed[ids.indices(known)] = False
            best = np.argsort(-np.where(allowed, scores[row], -np.inf))[:TOP_K]
            values.append(truth.closeness(user, ids.externals(best), at, exclude=known))
        return float(np.mean(values))

    return measure


def test_what_others_watched_beats_what_is_popular(closeness):
    popular, personal = closeness("popularity"), closeness("item_knn")
    assert popular < 0.5
    assert personal > popular + 0.1
