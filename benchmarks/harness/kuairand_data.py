"""KuaiRand, read as the product reads it, and cut into known and measured days.

Times are UTC+8, as in the log. Only the basic video columns are read: the statistics columns
contain the future.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue, load_catalogue
from kinoloop.data.exposures import Exposures, load_exposures
from kinoloop.data.histories import Histories
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.data.watch_quantiles import WatchQuantiles
from kinoloop.evaluation.split import Holdout
from kinoloop.ingestion.importers.base import Landing
from kinoloop.ingestion.importers.kuairand import import_kuairand
from kinoloop.schema import DAY_US, EVENT_KINDS, EVENTS, VIDEOS

LABELS = ("is_click", "long_view")


def china(day: int) -> int:
    """Midnight in China at the start of an April day, µs."""
    midnight = datetime(2022, 4, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=-8)
    return round(midnight.timestamp() * 1e6)


WINDOWS = {
    "validation": (china(26), china(27), china(29)),
    "test": (china(28), china(29), china(31)),
}
"""Where early stopping and calibration begin, where the measured window begins and ends."""


def load(path: Path, folder: Path) -> tuple[Catalogue, Histories, Exposures]:
    """Import as the product does; duplicated rows go, user ids stay as they are."""
    landing = folder / "landing"
    import_kuairand(path, Landing(str(landing), "kuairand", path))
    tables = Tables(folder / "data")
    for kind, schema in (("videos", VIDEOS), ("events", EVENTS)):
        shards = [pl.read_parquet(file) for file in sorted((landing / kind).rglob("*.parquet"))]
        frame = pl.concat(shards, how="diagonal_relaxed").unique(maintain_order=True)
        if kind == "events":
            frame = frame.with_columns(date=pl.col("timestamp").dt.date())
        else:
            frame = frame.unique("video_id", keep="last", maintain_order=True).with_columns(
                pl.col("published_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%:z", time_unit="us")
            )
        columns = [
            (pl.col(c) if c in frame.columns else pl.lit(None)).cast(t).alias(c)
            for c, t in schema.items()
        ]
        frame.select(columns).write_delta(str(tables.path(kind)))
    catalogue = load_catalogue(tables)
    histories = load_histories(tables, catalogue.ids, InterestConfig())
    return catalogue, histories, load_exposures(tables, catalogue.ids)


def weighed_by_quantile(histories: Histories, catalogue: Catalogue) -> Histories:
    """Weigh views by how long they are among views of videos equally long (D2Q), not by share."""
    durations = catalogue.videos["duration_s"].cast(pl.Float64).fill_null(0.0).to_numpy()
    of_video = durations[histories.videos]
    watched = histories.watch_shares * of_video
    quantiles = WatchQuantiles.fit(watched, of_video).of(watched, of_video)
    viewed = (histories.kinds == EVENT_KINDS.index("view")) & (histories.weights > 0)
    weights = np.where(viewed & np.isfinite(quantiles), 0.5 + 0.5 * quantiles, histories.weights)
    return replace(histories, weights=weights.astype(np.float32))


def read_labels(
    path: Path, exposures: Exposures, catalogue: Catalogue
) -> dict[str, NDArray[np.bool_]]:
    """`is_click` and `long_view` of each exposure; views of the histories count as both."""
    log = pl.concat(
        [pl.read_parquet(file, columns=["user_id", "video_id", "time_ms", *LABELS])
         for file in sorted(path.glob("val_*.parquet"))]
    )  # fmt: skip
    rows = pl.DataFrame(
        {
            "user_id": np.array(exposures.user_ids)[exposures.users],
            "video_id": np.array(catalogue.ids.ids)[exposures.videos],
            "day": exposures.timestamps // DAY_US,
        }
    )
    flags = (
        log.with_columns(
            pl.col("user_id", "video_id").cast(pl.String),
            day=pl.col("time_ms").cast(pl.Int64) // 86_400_000,
        )
        .group_by("user_id", "video_id", "day")
        .agg(pl.col(*LABELS).max())
    )
    joined = rows.join(flags, on=["user_id", "video_id", "day"], how="left", maintain_order="left")
    return {name: joined[name].fill_null(1).to_numpy() > 0 for name in LABELS}


def window_of(histories: Histories, start: int, end: int) -> tuple[Holdout, Histories]:
    """Return what users first watched with interest in a span, and what was known before it."""
    known = histories.select(histories.timestamps < start)
    inside = (histories.timestamps >= start) & (histories.timestamps < end)
    targets = histories.select(inside & (histories.weights > 0))
    rows = np.flatnonzero(targets.lengths > 0)
    train = known.rows(np.flatnonzero(known.lengths > 0))
    return Holdout(known.rows(rows), targets.rows(rows)), train
