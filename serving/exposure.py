"""Who is shown: impressions of the landing zone by creator and by the age of the video.

They are read where the service itself puts them, so that nothing else must be up; what was shown
in the last `impressions_s` seconds is not there yet. The newest places are enough to see who gets
how much, so their number is bounded, and so is the cost.
"""

import io
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.errors import ConfigError
from kinoloop.ingestion.landing import open_landing
from kinoloop.redaction import without_credentials
from kinoloop.schema import DAY_US, TIME
from serving.impressions import FOLDER
from serving.overview import Exposure, Share

logger = logging.getLogger(__name__)

PLACES = 200_000
"""Newest places that are read, about."""

LARGEST_BYTES = 64 * 2**20
"""A larger file is not one that this service wrote; it is passed over."""

YEARS = (datetime(1980, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
"""When something can have been shown; rows of another time, or of none, are passed over."""

CREATORS = 12
"""Creators that are named; the others are one share."""

AGES = (("under a day", 1), ("1 to 7 days", 7), ("7 to 30 days", 30), ("30 to 90 days", 90),
        ("90 days to a year", 365), ("over a year", None))  # fmt: skip
"""Ages of videos and their upper ends, days."""

UNDATED, NOBODY, GONE = "no date", "no creator", "not in the catalogue any more"


def exposure(landing: str, catalogue: Catalogue) -> Exposure:
    """Count who was shown.

    Args:
        landing: Folder or fsspec URL of the landing zone.
        catalogue: In service; says whose the videos are, and of when.
    """
    where = f"{without_credentials(landing)}/{FOLDER}"
    try:
        shown = _newest(landing)
    except (OSError, ConfigError) as err:
        return Exposure(places=0, unknown_because=f"{where} cannot be read: {err}")
    if shown.is_empty():
        why = f"there are no impressions in {where} yet; they come every [serving] impressions_s"
        return Exposure(places=0, unknown_because=why)
    rows = _positions(shown["video_id"], catalogue)
    at = shown["timestamp"].cast(pl.Int64).to_numpy()
    creators, different = _creators(rows, catalogue)
    return Exposure(
        places=len(shown),
        since=datetime.fromtimestamp(int(at.min()) / 1e6, UTC),
        until=datetime.fromtimestamp(int(at.max()) / 1e6, UTC),
        videos=shown["video_id"].n_unique(),
        creators=creators,
        creators_shown=different,
        ages=_ages(rows, at, catalogue),
    )


def _positions(videos: pl.Series, catalogue: Catalogue) -> NDArray[np.int32]:
    """Return positions in the catalogue; each video is looked up once, and -1 is of none."""
    different = videos.unique()
    positions = pl.Series(catalogue.ids.indices(different))
    return videos.replace_strict(different, positions).to_numpy()


def _newest(landing: str) -> pl.DataFrame:
    """Video and time of the newest places, newest file first."""
    found, places = [pl.DataFrame(schema={"video_id": pl.String, "timestamp": TIME})], 0
    for frame in _frames(landing):
        found.append(frame)
        places += len(frame)
        if places >= PLACES:
            break
    return pl.concat(found)


def _frames(landing: str) -> Iterator[pl.DataFrame]:
    files, root = open_landing(landing)
    files.invalidate_cache()
    folder = f"{root.rstrip('/')}/{FOLDER}"
    if not files.isdir(folder):
        return
    listed = [
        one
        for one in files.ls(folder, detail=True)
        if one["name"].endswith(".parquet") and one["size"] <= LARGEST_BYTES
    ]
    for one in sorted(listed, key=_changed, reverse=True):
        try:
            with files.open(one["name"], "rb") as file:
                content = io.BytesIO(file.read())
            frame = pl.read_parquet(content, columns=["video_id", "timestamp"], n_rows=PLACES)
            shown = frame.select(
                pl.col("video_id").cast(pl.String), pl.col("timestamp").cast(TIME, strict=False)
            )
            yield shown.filter(
                pl.col("video_id").is_not_null() & pl.col("timestamp").is_between(*YEARS)
            )
        except (OSError, pl.exceptions.PolarsError) as err:
            logger.warning("%s was passed over: %s", Path(one["name"]).name, err)


def _changed(listed: dict[str, object]) -> str:
    """When a file was written, so that it sorts; whatever its filesystem calls that."""
    for name in ("mtime", "LastModified", "last_modified", "created"):
        if (value := listed.get(name)) is not None:
            return f"{value:020.6f}" if isinstance(value, float) else str(value)
    return ""


def _creators(rows: NDArray[np.int32], catalogue: Catalogue) -> tuple[list[Share], int]:
    """Shares of the creators that are shown most, then of the others; how many were shown."""
    if "creator_id" not in catalogue.videos.columns:
        return [], 0
    creators = catalogue.videos["creator_id"].fill_null(NOBODY).rename("name")
    known, times = np.unique(rows[rows >= 0], return_counts=True)
    shown = (
        pl.DataFrame({"name": creators[known.tolist()], "places": times})
        .group_by("name")
        .agg(pl.col("places").sum())
        .join(creators.value_counts(name="owned"), on="name")
        .sort("places", "name", descending=[True, False])
    )
    n, videos = len(rows), len(catalogue)
    top, rest = shown.head(CREATORS), shown.slice(CREATORS)
    shares = [_share(name, places, n, owned / videos) for name, places, owned in top.iter_rows()]
    if len(rest):
        places, owned = int(rest["places"].sum()), int(rest["owned"].sum())
        shares.append(_share(f"{len(rest)} others", places, n, owned / videos))
    return [*shares, *_gone(rows)], shown.filter(pl.col("name") != NOBODY).height


def _ages(rows: NDArray[np.int32], at: NDArray[np.int64], catalogue: Catalogue) -> list[Share]:
    known = rows >= 0
    published = catalogue.published_at
    shown = _by_age(at[known] - published[rows[known]], published[rows[known]])
    of_now = _by_age(int(at.max()) - published, published)
    names = [*(name for name, _ in AGES), UNDATED]
    return [
        *(
            _share(name, shown[name], len(rows), of_now[name] / max(len(published), 1))
            for name in names
            if shown[name] or of_now[name]
        ),
        *_gone(rows),
    ]


def _by_age(age: NDArray[np.int64], published: NDArray[np.int64]) -> Counter[str]:
    """How many have each age; `published` is 0 where there is no date."""
    ends = np.array([days * DAY_US for _, days in AGES if days is not None])
    bins = np.where(published == 0, len(AGES), np.searchsorted(ends, age))
    counts = np.bincount(bins, minlength=len(AGES) + 1)
    names = [*(name for name, _ in AGES), UNDATED]
    return Counter(dict(zip(names, counts.tolist(), strict=True)))


def _gone(rows: NDArray[np.int32]) -> list[Share]:
    gone = int((rows < 0).sum())
    return [_share(GONE, gone, len(rows), 0.0)] if gone else []


def _share(name: str, places: int, of: int, of_catalogue: float) -> Share:
    return Share(name=name, places=places, share=places / of, of_catalogue=of_catalogue)
