"""A tiny world with known tastes: a catalogue in two topics, and users who each like one of them.

Made from a seed in milliseconds, so that a test of a recommender needs no file. Even users like
even videos and odd users odd ones; the vectors show the topic too, so content alone can find it.
One video is never watched (`COLD_VIDEO`), one has no vectors (`BARE_VIDEO`).
"""

import numpy as np
import polars as pl

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.schema import DAY_US, EVENT_KINDS, VIDEOS

START_US = 1_780_000_000_000_000  # 2026-05-28, µs
HOUR_US = 3_600_000_000
COLD_VIDEO = 6
BARE_VIDEO = 7
TOPICS = ("cooking soup noodles", "football goal match")


def toy_catalogue(n_videos: int = 40, *, seed: int = 0) -> Catalogue:
    """Make a catalogue whose even and odd videos are of different topics.

    Args:
        n_videos: At least 8.
        seed: Of the vectors.
    """
    names = [f"v{index:03d}" for index in range(n_videos)]
    published = START_US + np.arange(n_videos, dtype=np.int64) * HOUR_US
    columns = {
        "video_id": names,
        "title": [f"{TOPICS[i % 2]} part {i}" for i in range(n_videos)],
        "category": [TOPICS[i % 2].split()[0] for i in range(n_videos)],
        "tags": [[TOPICS[i % 2].split()[1]] for i in range(n_videos)],
        "published_at": published,
        "duration_s": [30.0] * n_videos,
    }
    frame = pl.DataFrame(columns, schema_overrides={c: VIDEOS[c] for c in columns})
    rng = np.random.default_rng(seed)
    return Catalogue(
        ids=IdMap(names),
        published_at=published,
        videos=frame,
        modalities={
            "text": _modality(rng, n_videos, dim=8, noise=0.3),
            "visual": _modality(rng, n_videos, dim=6, noise=0.6),
        },
    )


def grown_catalogue(n_new: int, n_videos: int = 40) -> Catalogue:
    """`toy_catalogue` and new videos of the two topics by turns; the last one has no content.

    Args:
        n_new: How many came after training, at least 2.
        n_videos: How many were there before.
    """
    before, after = toy_catalogue(n_videos), toy_catalogue(n_videos + n_new, seed=1)
    later = np.arange(n_videos + n_new) >= n_videos
    modalities = {}
    for name, modality in before.modalities.items():
        came = after.modalities[name]
        vectors = np.concatenate([modality.vectors, came.vectors[later]])
        present = np.concatenate([modality.present, came.present[later]])
        vectors[-1], present[-1] = 0, False
        modalities[name] = Modality(vectors, present, modality.fingerprint)
    words = pl.col("title")
    bare = pl.int_range(pl.len()) == pl.len() - 1
    videos = after.videos.with_columns(
        title=pl.when(bare).then(None).otherwise(words),
        tags=pl.when(bare).then(None).otherwise(pl.col("tags")),
    )
    return Catalogue(after.ids, after.published_at, videos, modalities)


def toy_histories(catalogue: Catalogue, n_users: int = 40, *, seed: int = 0) -> Histories:
    """Histories of 5 to 12 videos, nine in ten of the user's topic, a day apart.

    Args:
        catalogue: From `toy_catalogue`.
        n_users: Rows.
        seed: Of who watches what.
    """
    rng = np.random.default_rng(seed)
    rows = [_row(rng, user, len(catalogue)) for user in range(n_users)]
    return Histories.from_rows(rows, [f"u{user:03d}" for user in range(n_users)])


def _row(rng: np.random.Generator, user: int, n_videos: int) -> list[Interaction]:
    videos = np.setdiff1d(np.arange(n_videos), [COLD_VIDEO])
    chance = np.where(videos % 2 == user % 2, 9.0, 1.0) / (1 + videos / n_videos)
    length = int(rng.integers(5, 13))
    watched = rng.choice(videos, size=length, replace=False, p=chance / chance.sum())
    start = START_US + int(rng.integers(0, 24 * 20)) * HOUR_US
    kinds = rng.choice([EVENT_KINDS.index("view"), EVENT_KINDS.index("like")], size=length)
    return [
        Interaction(int(video), 1.0, start + at * DAY_US, int(kind), float(rng.uniform(0.2, 1)))
        for at, (video, kind) in enumerate(zip(watched, kinds, strict=True))
    ]


def _modality(rng: np.random.Generator, n_videos: int, *, dim: int, noise: float) -> Modality:
    topics = np.eye(2, dim)[np.arange(n_videos) % 2]
    vectors = topics + noise * rng.standard_normal((n_videos, dim)) / np.sqrt(dim)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    present = np.arange(n_videos) != BARE_VIDEO
    vectors[~present] = 0
    return Modality(vectors.astype(np.float32), present, fingerprint=f"toy-{dim}-{noise}")
