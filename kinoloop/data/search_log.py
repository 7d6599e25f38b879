"""The search log: what was searched for, and which video was then watched.

A search and the first video of interest that the same user met in the results within half an hour
are a pair. Texts stay in memory: they are read to learn from, and written nowhere.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.ids import IdMap
from kinoloop.data.tables import Tables

WITHIN = timedelta(minutes=30)
WANTED = ("view", "like", "share", "save", "comment")
MOST_CHARACTERS = 200  # of a query that is learned from


@dataclass(frozen=True)
class SearchLog:
    """Pairs, oldest first.

    Attributes:
        queries: (n) what was searched for.
        videos: (n,) int32, internal index of what was watched.
    """

    queries: tuple[str, ...]
    videos: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.queries)

    def __repr__(self) -> str:
        return f"SearchLog({len(self)} pairs)"  # a log or a traceback never shows a query


def load_search_log(tables: Tables, ids: IdMap, *, most: int) -> SearchLog:
    """Read the newest pairs of the table `events`.

    Args:
        tables: The data.
        ids: Of the catalogue; other videos are left out.
        most: Pairs kept.
    """
    events = tables.scan("events")
    searches = events.filter(
        pl.col("event") == "search",
        pl.col("text").str.strip_chars().str.len_chars().is_between(1, MOST_CHARACTERS),
    ).select("user_id", "timestamp", "text")
    watched = events.filter(pl.col("event").is_in(WANTED), pl.col("surface") == "search").select(
        "user_id", "timestamp", "video_id"
    )
    pairs = (
        searches.sort("timestamp")
        .join_asof(
            watched.sort("timestamp"),
            on="timestamp",
            by="user_id",
            strategy="forward",
            tolerance=WITHIN,
            check_sortedness=False,
        )
        .filter(pl.col("video_id").is_not_null())
        .sort("timestamp", "user_id", "text")
        .select("text", "video_id")
        .collect()
    )
    videos = ids.indices(pairs["video_id"])
    kept = np.flatnonzero(videos >= 0)[-most:]
    texts = pairs["text"].to_list()
    return SearchLog(tuple(texts[at] for at in kept.tolist()), videos[kept])
