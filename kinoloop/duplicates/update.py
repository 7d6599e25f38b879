"""Keep the table `duplicates` up to date: compare what is new with everything, group what is same.

Videos that were compared under the same settings and have not changed are not compared again; of
theirs only the hashes are read. The table is written whole, as groups can join through a new video.
"""

import logging
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import deltalake
import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.duplicates.config import DuplicatesConfig
from kinoloop.duplicates.find import Pair, find_pairs
from kinoloop.duplicates.groups import group
from kinoloop.duplicates.match import Print
from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.media.prints import PRINTS_VERSION
from kinoloop.schema import DUPLICATES

logger = logging.getLogger(__name__)

CODE_VERSION = 1

NearDuplicate = dict[str, Any]


@dataclass
class DuplicatesReport:
    """What one search did.

    Attributes:
        videos: With pictures.
        compared: Of them, new or changed since the last search.
        groups: In the table now.
        grouped: Videos in them.
        seconds: It took.
    """

    videos: int = 0
    compared: int = 0
    groups: int = 0
    grouped: int = 0
    seconds: float = 0.0


def update_duplicates(
    tables: Tables, config: DuplicatesConfig, *, visual: str | None = None
) -> DuplicatesReport:
    """Bring the table `duplicates` up to date with the table `media`.

    Args:
        tables: The data directory, extracted.
        config: What counts as the same.
        visual: Fingerprint of the visual vectors; None: pictures and sound alone decide.

    Returns:
        What was done.
    """
    started = time.monotonic()
    media = _with_pictures(tables).select("video_id", "content_hash").collect()
    identity = fingerprint(
        {"code": CODE_VERSION, "prints": PRINTS_VERSION, "visual": visual, **config.model_dump()}
    )
    known = _known(tables, media, identity)
    fresh = (~media["video_id"].is_in(known["video_id"].implode())).to_numpy()
    stale = tables.scan("duplicates").select(pl.len()).collect().item() != len(known)
    report = DuplicatesReport(videos=len(media), compared=int(fresh.sum()))
    logger.info("%d videos with pictures, %d to compare", len(media), report.compared)
    if fresh.any() or stale:
        pairs = find_pairs(
            _prints(_with_pictures(tables)),
            config,
            vectors=_vectors(tables, media["video_id"], visual),
            fresh=fresh,
        )
        rows = _rows(media, _near_duplicates(media, known, pairs), identity)
        with exclusive(tables, timeout_s=WRITER_WAIT_S):
            deltalake.write_deltalake(
                str(tables.path("duplicates")), rows, mode="overwrite", schema_mode="overwrite"
            )
    else:
        rows = known
    grouped = rows["group_id"].drop_nulls()
    report.groups, report.grouped = grouped.n_unique(), len(grouped)
    report.seconds = round(time.monotonic() - started, 2)
    return report


def _with_pictures(tables: Tables) -> pl.LazyFrame:
    """Media of the videos of the catalogue that have pictures to compare, sorted."""
    videos = tables.scan("videos").select("video_id")
    return (
        tables.scan("media")
        .filter(pl.col("picture_print").list.len() > 0)
        .join(videos, on="video_id", how="semi")
        .sort("video_id")
    )


def _known(tables: Tables, media: pl.DataFrame, identity: str) -> pl.DataFrame:
    """Rows of the table that still hold."""
    return (
        tables.scan("duplicates")
        .filter(pl.col("fingerprint") == identity)
        .join(media.lazy(), on=["video_id", "content_hash"], how="semi")
        .collect()
    )


def _prints(media: pl.LazyFrame) -> list[Print]:
    """Return the hashes as slices of three long arrays: no hash becomes a Python object."""
    columns = ("print_times_s", "picture_print", "sound_print")
    rows = media.select("duration_s", *columns).collect()
    parts = zip(*(_slices(rows[name]) for name in columns), rows["duration_s"], strict=True)
    return [
        Print(times, pictures, sound, float(duration_s))
        for times, pictures, sound, duration_s in parts
    ]


def _slices(lists: pl.Series) -> list[NDArray[Any]]:
    """One array per row, empty where the list is."""
    lengths = lists.list.len().fill_null(0).to_numpy()
    flat = lists.filter(lists.list.len() > 0).explode().to_numpy()
    return np.split(flat, np.cumsum(lengths)[:-1])


def _vectors(
    tables: Tables, video_ids: pl.Series, visual: str | None
) -> NDArray[np.float32] | None:
    if visual is None:
        return None
    rows = (
        tables.scan("features")
        .filter((pl.col("fingerprint") == visual) & pl.col("present"))
        .select("video_id", "vector")
        .join(video_ids.to_frame().with_row_index("row").lazy(), on="video_id")
        .collect()
    )
    if rows.is_empty():
        return None
    flat = rows["vector"].explode().to_numpy().reshape(len(rows), -1)
    vectors = np.zeros((len(video_ids), flat.shape[1]), dtype=np.float32)
    vectors[rows["row"].to_numpy()] = flat
    return vectors


def _near_duplicates(
    media: pl.DataFrame, known: pl.DataFrame, pairs: Iterable[Pair]
) -> dict[str, dict[str, NearDuplicate]]:
    """Near-duplicates by video, both ways: those that still hold, and those just found."""
    still = set(known["video_id"])
    near: dict[str, dict[str, NearDuplicate]] = {}
    for video_id, listed in known.select("video_id", "twins").iter_rows():
        near[video_id] = {one["video_id"]: one for one in listed if one["video_id"] in still}
    ids = media["video_id"].to_list()
    for pair in pairs:
        one, other = ids[pair.a], ids[pair.b]
        near.setdefault(one, {})[other] = _near_duplicate(other, pair, pair.match.offset_s)
        near.setdefault(other, {})[one] = _near_duplicate(one, pair, -pair.match.offset_s)
    return near


def _near_duplicate(video_id: str, pair: Pair, offset_s: float) -> NearDuplicate:
    return {
        "video_id": video_id,
        "offset_s": offset_s,
        "pictures": pair.match.pictures,
        "picture_share": pair.match.share,
        "sound_share": pair.match.sound,
        "cosine": None if math.isnan(pair.cosine) else pair.cosine,
    }


def _rows(
    media: pl.DataFrame, near: dict[str, dict[str, NearDuplicate]], identity: str
) -> pl.DataFrame:
    groups = group((one, other) for one, others in near.items() for other in others)
    now = datetime.now(UTC)
    rows = [
        {
            "video_id": video_id,
            "content_hash": content_hash,
            "fingerprint": identity,
            "group_id": groups.get(video_id),
            "twins": sorted(near.get(video_id, {}).values(), key=lambda one: one["video_id"]),
            "compared_at": now,
        }
        for video_id, content_hash in media.select("video_id", "content_hash").iter_rows()
    ]
    return pl.DataFrame(rows, schema=DUPLICATES)
