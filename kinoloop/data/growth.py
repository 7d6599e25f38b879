"""What became of a catalogue since: new videos come after the old ones, which keep their places.

A model knows videos by their position. So a catalogue that it is to serve with is never sorted
anew: rows that changed change in place, a video that is no longer in the tables stays as a row that
is `withdrawn` (histories that name it stay evidence), and new videos are appended. Vectors are read
from the tables only where something was extracted since.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.arrivals import with_stamps
from kinoloop.data.catalogue import Catalogue, Modality, read_videos, unusable
from kinoloop.data.checksums import check
from kinoloop.data.fusion import centred_as
from kinoloop.data.ids import IdMap
from kinoloop.data.joint import JOINT, Joint
from kinoloop.data.tables import Tables
from kinoloop.errors import DataError

WITHDRAWN = "withdrawn"
LATE = timedelta(hours=1)
"""Features are stamped when they are made, and shards made side by side arrive in any order."""


@dataclass(frozen=True)
class Growth:
    """A catalogue as it is now, beside how it was.

    Attributes:
        catalogue: The videos before, in their places, then new ones, oldest first.
        new: How many are new.
        changed: (n,) positions before whose row or vectors are others now.
        withdrawn: Of the changed ones, how many have just left the tables.
        extracted_until: Newest feature that was read, µs since the epoch.
        popularity: (n_videos,) float32 of today; None keeps that of training.
    """

    catalogue: Catalogue
    new: int
    changed: NDArray[np.intp]
    withdrawn: int
    extracted_until: int
    popularity: NDArray[np.float32] | None = None

    @property
    def touched(self) -> NDArray[np.intp]:
        """Positions that are new or changed."""
        n_videos = len(self.catalogue)
        return np.concatenate([self.changed, np.arange(n_videos - self.new, n_videos)])


def grow(
    tables: Tables, before: Catalogue, *, since: int = 0, joint: Joint | None = None
) -> Growth:
    """Bring a catalogue up to date with the tables.

    Args:
        tables: Where to read.
        before: The catalogue as it was.
        since: Newest feature that `before` knows, µs since the epoch; 0 reads all of them.
        joint: What makes the joint vectors of `before`; None where it has none.

    Raises:
        DataError: Vectors are damaged, or a file of the tables is.
    """
    check(tables, ("videos", "labels", "duplicates", "media", "features", "moderation"))
    now = read_videos(tables)
    rows = _rows(before, now)
    changed = _changed_rows(before.videos, rows[: len(before)])
    left = int((rows[WITHDRAWN] & ~_withdrawn(before.videos, len(rows))).sum())
    ids = IdMap(rows["video_id"])
    modalities, newest = {}, since
    moved = np.zeros(len(before), dtype=np.bool_)
    for name, modality in before.modalities.items():
        if name == JOINT and joint is not None:
            continue
        grown, differs, until = _grown(tables, modality, (name, ids, len(before)), since=since)
        modalities[name], newest = grown, max(newest, until)
        moved[differs] = True
    if joint is not None:
        modalities[JOINT] = joint.grown(modalities, before.modalities[JOINT], moved)
    moved[changed] = True
    published = rows.select(pl.col("published_at").cast(pl.Int64).fill_null(0)).to_series()
    rows = with_stamps(rows, before.videos, tables, now=datetime.now(UTC))
    catalogue = Catalogue(ids, published.to_numpy().copy(), rows, modalities)
    return Growth(catalogue, len(ids) - len(before), np.flatnonzero(moved), left, newest)


def _rows(before: Catalogue, now: pl.DataFrame) -> pl.DataFrame:
    """One row per video: the old ones in their places as they are now, then the new ones."""
    old = before.videos.select("video_id")
    here = old.join(now, on="video_id", how="left", maintain_order="left")
    missing = ~before.videos["video_id"].is_in(now["video_id"].implode())
    kept = _with_columns_of(before.videos, now)
    places = pl.Series(missing)
    merged = pl.DataFrame(
        [
            pl.Series(c, kept[c]).zip_with(places, here[c]) if c != "video_id" else kept[c]
            for c in now.columns
        ]
    )
    fresh = now.join(old, on="video_id", how="anti", maintain_order="left")
    both = pl.concat([merged, fresh])
    gone = np.concatenate([missing.to_numpy(), np.zeros(len(fresh), dtype=np.bool_)])
    return both.with_columns(pl.Series(WITHDRAWN, gone))


def _with_columns_of(videos: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Give rows the columns, and types, that rows have now."""
    missing = [pl.lit(None, dtype=now.schema[c]).alias(c) for c in now.columns]
    given = [c for c in missing if c.meta.output_name() not in videos.columns]
    return videos.with_columns(given).select(
        pl.col(c).cast(now.schema[c], strict=False) for c in now.columns
    )


def _withdrawn(videos: pl.DataFrame, n_rows: int) -> pl.Series:
    """Which rows were withdrawn before; new ones were not."""
    known = (
        videos[WITHDRAWN].fill_null(value=False).to_numpy()
        if WITHDRAWN in videos.columns
        else np.zeros(len(videos), dtype=np.bool_)
    )
    return pl.Series(np.concatenate([known, np.zeros(n_rows - len(videos), dtype=np.bool_)]))


def _changed_rows(before: pl.DataFrame, now: pl.DataFrame) -> NDArray[np.intp]:
    """Positions of rows that differ in a column that both have, or in being withdrawn."""
    differs = _withdrawn(before, len(before)).to_numpy() != now[WITHDRAWN].to_numpy()
    for column in set(before.columns) & set(now.columns) - {WITHDRAWN}:
        theirs = before[column].cast(now.schema[column], strict=False)
        differs |= theirs.ne_missing(now[column]).to_numpy()
    return np.flatnonzero(differs)


def _grown(
    tables: Tables, modality: Modality, place: tuple[str, IdMap, int], *, since: int
) -> tuple[Modality, NDArray[np.intp], int]:
    """Vectors of all videos, positions before that have others now, and the newest feature."""
    name, ids, n_before = place
    dim, n_videos = modality.vectors.shape[1], len(ids)
    vectors = np.zeros((n_videos, dim), dtype=np.float32)
    present = np.zeros(n_videos, dtype=np.bool_)
    vectors[:n_before], present[:n_before] = modality.vectors, modality.present
    found = _features(tables, name, modality.fingerprint, (ids.ids[n_before:], since))
    at = ids.indices(found["video_id"])
    found, at = found.filter(pl.Series(at >= 0)), at[at >= 0]
    has = found["present"].to_numpy()
    flat = found.filter(pl.col("present"))["vector"]
    if len(flat) and set(flat.list.len()) != {dim}:
        raise DataError(
            f"{name} vectors of fingerprint {modality.fingerprint!r} have lengths "
            f"{sorted(set(flat.list.len()))}, expected {dim}; delete these rows of table "
            "`features` and extract again"
        )
    read = np.zeros((len(found), dim), dtype=np.float32)
    if len(flat):
        read[has] = flat.explode().to_numpy().reshape(-1, dim)
    known = at < n_before
    other = (read != vectors[at]).any(axis=1) | (has != present[at])
    vectors[at], present[at] = read, has
    wrong = unusable(read, has)
    if len(wrong):
        raise DataError(
            f"{len(wrong)} {name} vectors of fingerprint {modality.fingerprint!r} are zero or not "
            f"finite, the first of video {ids.ids[at[wrong[0]]]!r}; delete these rows of table "
            "`features` and extract again"
        )
    newest = int(found["extracted_at"].cast(pl.Int64).fill_null(0).to_numpy().max(initial=0))
    grown = Modality(vectors, present, modality.fingerprint)
    grown = replace(grown, centred=centred_as(modality, grown, at))
    return grown, at[known & other], newest


def _features(
    tables: Tables, modality: str, fingerprint: str, asked: tuple[tuple[str, ...], int]
) -> pl.DataFrame:
    """Rows of some videos, and all that were written since, the newest of each video."""
    videos, since = asked
    features = tables.scan("features").filter(
        (pl.col("modality") == modality) & (pl.col("fingerprint") == fingerprint)
    )
    if since:
        start = datetime.fromtimestamp(since // 1_000_000, UTC) - LATE
        features = features.filter(
            (pl.col("extracted_at") >= start) | pl.col("video_id").is_in(list(videos))
        )
        # when they were extracted is read first, then vectors of the files of that time only
        at = features.select("extracted_at").collect().to_series()
        if not len(at):
            features = features.limit(0)
        elif not at.null_count():
            features = features.filter(pl.col("extracted_at").is_between(at.min(), at.max()))
    return (
        features.select("video_id", "present", "vector", "extracted_at")
        .collect()
        .sort("extracted_at")
        .unique("video_id", keep="last", maintain_order=True)
    )
