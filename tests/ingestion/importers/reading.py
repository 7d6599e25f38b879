"""Run an importer into a landing zone beside its source and read what it wrote."""

import polars as pl

from kinoloop.ingestion.importers.base import IMPORTERS, Landing


def imported(name, source, run=None):
    """Videos and events that the importer wrote."""
    landing = source.with_name(f"{source.name}-landing")
    target = Landing(str(landing), name, source)
    (run or IMPORTERS.get(name))(source, target)
    return shards(landing / "videos"), shards(landing / "events")


def shards(folder):
    frames = [pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))]
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()
