import polars as pl
import pytest

from kinoloop.sample import SampleConfig, build_world
from kinoloop.sample.behaviour import simulate
from kinoloop.sample.topics import TOPICS
from kinoloop.sample.world import TRENDING
from kinoloop.schema import EVENT_KINDS, LANDING_EVENTS


@pytest.fixture(scope="module")
def world():
    return build_world(SampleConfig(users=120))


@pytest.fixture(scope="module")
def events(world):
    return simulate(world)


def test_same_seed_gives_the_same_events(events):
    assert events.equals(simulate(build_world(SampleConfig(users=120))))


def test_another_seed_gives_other_events(events):
    assert not events.equals(simulate(build_world(SampleConfig(users=120, seed=21))))


def test_events_are_in_landing_format(events):
    assert dict(events.schema) == LANDING_EVENTS
    assert set(events["event"]) <= set(EVENT_KINDS)
    assert events["event_id"].n_unique() == len(events)
    assert events["timestamp"].is_sorted()


def test_every_kind_of_behaviour_occurs(events):
    wanted = {"impression", "view", "like", "comment", "skip", "search"}
    assert wanted <= set(events["event"])
    spoken = events.filter(pl.col("event").is_in(["comment", "search"]))
    assert spoken["text"].null_count() == 0


def test_nobody_watches_what_is_not_out_or_longer_than_it_is(world, events):
    facts = pl.DataFrame(
        {
            "video_id": [v.video_id for v in world.videos],
            "out": [world.config.at(v.published) for v in world.videos],
            "seconds": [v.seconds for v in world.videos],
        }
    )
    joined = events.join(facts, on="video_id")
    assert len(joined) == len(events)
    assert (joined["timestamp"] >= joined["out"]).all()
    assert joined.filter(pl.col("watch_s") > pl.col("seconds")).is_empty()


def test_watch_time_follows_true_affinity(world, events):
    views = events.filter(pl.col("event").is_in(["view", "skip"])).head(1500)
    users = {u: i for i, u in enumerate(world.user_ids)}
    videos = {v.video_id: i for i, v in enumerate(world.videos)}
    rows = []
    for user, video, watched in views.select("user_id", "video_id", "watch_s").iter_rows():
        i = videos[video]
        rows.append((world.affinity(users[user], 0.0)[i], watched / world.videos[i].seconds))
    table = pl.DataFrame(rows, schema=["affinity", "share"], orient="row")
    assert table.select(pl.corr("affinity", "share")).item() > 0.6


def test_top_slots_are_watched_more(events):
    shown = events.filter(pl.col("event") == "impression").with_columns(
        day=pl.col("timestamp").dt.date()
    )
    started = events.filter(pl.col("event").is_in(["view", "skip"]), pl.col("surface") == "home")
    hits = started.select("user_id", "video_id", day=pl.col("timestamp").dt.date()).unique()
    hits = hits.with_columns(hit=pl.lit(1))
    paired = shown.join(hits, on=["user_id", "video_id", "day"], how="left")
    rate = dict(paired.group_by("value").agg(pl.col("hit").count() / pl.len()).iter_rows())
    assert rate[0.0] > 1.3 * rate[6.0]


def test_interest_drifts_to_trending_topics_in_the_last_week(world, events):
    topics = {v.video_id: TOPICS[v.topic].name for v in world.videos}
    views = events.filter(pl.col("event") == "view").with_columns(
        trending=pl.col("video_id").replace_strict(topics).is_in(TRENDING),
        late=pl.col("timestamp") >= world.config.at(world.config.history_days),
    )
    share = dict(views.group_by("late").agg(pl.col("trending").mean()).iter_rows())
    assert share[True] > 1.5 * share[False]
