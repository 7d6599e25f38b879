"""A small world whose truth is known: users with tastes, videos with vectors, drift at will."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deltalake
import numpy as np
import polars as pl

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.drift.champion import Champion
from kinoloop.drift.checks.quality import holdout
from kinoloop.drift.windows import Span, Windows, number_of, says
from kinoloop.evaluation.metrics.ndcg import ndcg
from kinoloop.evaluation.ranks import rank_targets
from kinoloop.models.base import build
from kinoloop.schema import TABLES

START = datetime(2026, 1, 5, tzinfo=UTC)
CATEGORIES = tuple(f"topic{i}" for i in range(6))


@dataclass(frozen=True)
class DriftingWorld:
    """Tables as frames; `user_id` is text that must never reach a report."""

    events: pl.DataFrame
    videos: pl.DataFrame
    catalogue: Catalogue


def make_world(
    seed: int,
    *,
    users: int = 150,
    videos: int = 120,
    days: int = 35,
    drift_from: int | None = None,
    events_per_day: float = 1.5,
    strength: float = 1.0,
) -> DriftingWorld:
    """Users watch by taste; from day `drift_from` on they like topic0, skip and hold phones."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, len(CATEGORIES), videos)
    published = np.sort(rng.uniform(-30, days, videos))
    centres = rng.normal(size=(len(CATEGORIES), 16))
    vectors = centres[topic] + rng.normal(size=(videos, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    frame = pl.DataFrame(
        {
            "video_id": [f"v{i:04}" for i in range(videos)],
            "title": [f"Video {i}" for i in range(videos)],
            "category": [CATEGORIES[t] for t in topic],
            "language": rng.choice(["en", "de"], videos, p=[0.7, 0.3]),
            "published_at": [START + timedelta(days=float(d)) for d in published],
            "duration_s": rng.uniform(20, 200, videos),
        }
    ).with_columns(pl.col("published_at").cast(pl.Datetime("us", "UTC")))
    taste = rng.dirichlet(np.full(len(CATEGORIES), 0.5), users)
    new_taste = np.tile(np.eye(len(CATEGORIES))[0] * 0.9 + 0.02, (users, 1))
    device = rng.choice(["phone", "tv"], users)
    rows = []
    for u in range(users):
        for t in np.sort(rng.uniform(0, days, rng.poisson(events_per_day * days))):
            drifted = drift_from is not None and t >= drift_from and rng.random() < strength
            likes = (new_taste if drifted else taste)[u]
            weight = likes[topic] * (published < t)
            video = int(rng.choice(videos, p=weight / weight.sum()))
            kind = rng.choice(
                ["view", "like", "skip"], p=[0.3, 0.1, 0.6] if drifted else [0.7, 0.2, 0.1]
            )
            share = rng.beta(1, 4) if drifted else rng.beta(4, 2)
            rows.append(
                (f"secret-user-{u}", video, t, kind, share, "phone" if drifted else device[u])
            )
    columns = [list(column) for column in zip(*rows, strict=True)]
    user, watched, times, kinds, shares, devices = columns
    events = pl.DataFrame(
        {
            "user_id": user,
            "video_id": frame["video_id"].gather(watched),
            "timestamp": [START + timedelta(days=float(d)) for d in times],
            "event": kinds,
            "watch_s": frame["duration_s"].gather(watched) * pl.Series(shares),
            "device": devices,
        }
    ).with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))
    catalogue = Catalogue(
        ids=IdMap(frame["video_id"]),
        published_at=frame["published_at"].to_physical().to_numpy(),
        videos=frame,
        modalities={
            "text": Modality(vectors.astype(np.float32), np.ones(videos, dtype=bool), "toy")
        },
    )
    return DriftingWorld(events, frame, catalogue)


def windows_of(world: DriftingWorld, *, days: int = 35, length: int = 7) -> Windows:
    """Return the windows that `load_windows` would read from the tables of this world."""
    periods = tuple(
        Span(START + timedelta(days=d), START + timedelta(days=d + length))
        for d in range(days % length, days, length)
    )
    events = (
        world.events.with_columns(
            period=number_of("timestamp", periods),
            user=pl.col("user_id").rank("dense").cast(pl.UInt32) - 1,
            surface=pl.lit(None, dtype=pl.String),
            value=pl.lit(None, dtype=pl.Float64),
        )
        .drop("user_id")
        .join(world.videos.select("video_id", "category", "language", "duration_s"), on="video_id")
        .with_columns(says(InterestConfig().on_scale(None)))
        .drop_nulls("period")
    )
    videos = world.videos.with_columns(period=number_of("published_at", periods)).drop_nulls(
        "period"
    )
    return Windows(periods=periods, events=events, videos=videos)


def write_tables(world: DriftingWorld, root: Path) -> Tables:
    """Write the events and videos as the Delta tables that ingest would have written."""
    events = world.events.with_columns(
        date=pl.col("timestamp").dt.date(), event_id=pl.int_range(pl.len()).cast(pl.String)
    )
    for name, known in (("events", events), ("videos", world.videos)):
        schema = TABLES[name]
        absent = [pl.lit(None, dtype=t).alias(c) for c, t in schema.items() if c not in known]
        frame = known.with_columns(absent).select(*schema)
        parts = ["date"] if name == "events" else None
        deltalake.write_deltalake(str(root / name), frame.to_arrow(), partition_by=parts)
    return Tables(root)


def write_landing(world: DriftingWorld, root: Path, *, name: str = "world") -> None:
    """Write the events and videos as files of a landing zone."""
    for kind, frame in (("videos", world.videos), ("events", world.events)):
        (root / kind).mkdir(parents=True, exist_ok=True)
        frame.write_parquet(root / kind / f"{name}.parquet")


def histories_of(world: DriftingWorld, *, since: float = -1, until: float = 1000) -> Histories:
    """One row per user; a video at most once; days since the start of the world."""
    micro = pl.col("timestamp").to_physical()
    events = (
        world.events.with_columns(
            video=pl.Series(world.catalogue.ids.indices(world.events["video_id"]))
        )
        .filter(micro.is_between(_micro(since), _micro(until)))
        .sort("user_id", "timestamp")
        .unique(["user_id", "video"], keep="first", maintain_order=True)
    )
    weight = pl.col("event").replace_strict({"view": 1.0, "like": 2.0, "skip": -0.5})
    rows = events.select("user_id", "video", weight.alias("weight"), micro.alias("timestamp"))
    return Histories.from_rows(
        [
            [Interaction(v, w, t) for _, v, w, t in group.iter_rows()]
            for _, group in rows.group_by("user_id", maintain_order=True)
        ]
    )


def champion_of(world: DriftingWorld, *, trained_days: int = 28) -> Champion:
    """Item-kNN, trained on the days before the current window."""
    catalogue = world.catalogue
    train = histories_of(world, until=trained_days)
    recommender = build({"kind": "item_knn"}).fit(train, catalogue)
    histories = histories_of(world)
    past = Champion(recommender, catalogue, histories_of(world, until=trained_days), {})
    week = Span(START + timedelta(days=trained_days - 7), START + timedelta(days=trained_days))
    fresh = holdout(past, week)
    earlier = build({"kind": "item_knn"}).fit(
        histories_of(world, until=trained_days - 7), catalogue
    )
    ranks = rank_targets(earlier.score, fresh.histories, fresh.targets)
    return Champion(recommender, catalogue, histories, {"ndcg@10": float(ndcg(ranks, k=10).mean())})


def _micro(day: float) -> int:
    return int((START + timedelta(days=day)).timestamp() * 1e6)
