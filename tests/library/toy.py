"""A small world that is made by code: two tastes, thirty people, twelve videos, forty days."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def videos() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "video_id": [f"v{i:02d}" for i in range(12)],
            "title": [f"Film {i}" for i in range(12)],
            "category": ["comedy", "nature"] * 6,
            "duration_s": [60.0] * 12,
        }
    )


def events() -> pl.DataFrame:
    rng, rows = np.random.default_rng(7), []
    for user in range(30):
        for at, video in enumerate(rng.permutation(6)[:5]):
            rows.append(
                {
                    "user_id": f"u{user:02d}",
                    "video_id": f"v{2 * video + user % 2:02d}",
                    "timestamp": FIRST + timedelta(days=8 * at, minutes=user),
                    "event": "view",
                    "watch_s": 60.0,
                }
            )
    return pl.DataFrame(rows)


def small_movielens(folder: Path) -> None:
    """Write MovieLens-100k as it is laid out, of eight users and eight films."""
    folder.mkdir(parents=True)
    ratings = [
        f"{user}\t{video}\t{3 + video % 3}\t{900_000_000 + 86_400 * video + user}"
        for user in range(1, 9)
        for video in range(1, 9)
        if user != video
    ]
    (folder / "u.data").write_text("\n".join(ratings))
    (folder / "u.item").write_text("\n".join(f"{v}|Film {v}|||" for v in range(1, 9)))
