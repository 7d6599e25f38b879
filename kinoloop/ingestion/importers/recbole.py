"""RecBole's atomic files: `*.inter` and, where present, `*.item`.

Columns are `name:type`, tabs between them, no quotes; sequences (`token_seq`) have spaces between
their tokens. Known names take their place (`user_id`, `item_id`, `timestamp`, `rating`; any title,
genres or class, creator), others ride along as extra columns of the video. A row with a rating is
an event `rating`, any other one a `view`. Without `*.item`, the videos are those of the
interactions and have no words.

Source: https://recbole.io/atomic_files.html.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from kinoloop.errors import DataError
from kinoloop.ingestion.importers.base import (
    IMPORTERS,
    Landing,
    as_number,
    as_time,
    delimited,
)
from kinoloop.ingestion.importers.movielens import NO_GENRES

logger = logging.getLogger(__name__)

TITLES = ("title", "movie_title", "item_title", "name", "item_name", "video_title")
TAGS = ("genre", "genres", "class", "categories", "category", "tags")
CREATORS = ("creator_id", "author_id", "artist_id", "artists_id", "brand")
TYPES = ("token", "token_seq", "float", "float_seq")


@IMPORTERS.register("recbole")
def import_recbole(source: Path, landing: Landing) -> None:
    """Import a folder of atomic files.

    Raises:
        DataError: There is no single `*.inter`, a header is not one of atomic files, or the
            interactions have no times.
    """
    interactions = _only(source, "*.inter")
    items = _only(source, "*.item") if any(source.glob("*.item")) else None
    seen: set[str] = set()
    for frame in _atomic(interactions, "user_id", "item_id", "timestamp"):
        if items is None:
            seen.update(frame["item_id"].drop_nulls().unique().to_list())
        landing.write("events", _events(frame))
    if items is None:
        logger.warning("%s has no *.item: videos have no words", source)
        bare = pl.DataFrame({"video_id": sorted(seen)}, schema={"video_id": pl.String})
        landing.write("videos", bare.with_columns(title=pl.lit(None, pl.String)))
        return
    for frame in _atomic(items, "item_id"):
        landing.write("videos", _videos(frame))


def _events(frame: pl.DataFrame) -> pl.DataFrame:
    rated = "rating" in frame.columns
    return frame.select(
        "user_id",
        pl.col("item_id").alias("video_id"),
        as_time(frame["timestamp"], None),
        *([as_number(frame["rating"]).alias("value")] if rated else []),
        event=pl.lit("rating" if rated else "view"),
    )


def _videos(frame: pl.DataFrame) -> pl.DataFrame:
    columns = frame.columns
    title = next((name for name in TITLES if name in columns), None)
    tags = next((name for name in TAGS if name in columns), None)
    creator = next((name for name in CREATORS if name in columns), None)
    taken = {"item_id", title, tags, creator}
    listed = pl.lit(None, pl.List(pl.String)) if tags is None else _listed(tags)
    return frame.select(
        pl.col("item_id").alias("video_id"),
        (pl.lit(None, pl.String) if title is None else pl.col(title)).alias("title"),
        listed.alias("tags"),
        listed.list.first().alias("category"),
        *([] if creator is None else [pl.col(creator).alias("creator_id")]),
        *(name for name in columns if name not in taken),
    )


def _listed(column: str) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    tokens = text.str.split(" ").list.eval(pl.element().filter(pl.element() != ""))
    return pl.when(~text.is_in(["", *NO_GENRES]) & (tokens.list.len() > 0)).then(tokens)


def _atomic(path: Path, *needed: str) -> Iterator[pl.DataFrame]:
    """Stream one atomic file, its columns by their names."""
    with path.open("rb") as file:
        header = file.readline().decode("utf-8-sig", "replace").rstrip("\r\n")
    fields = [tuple(field.rpartition(":")[::2]) for field in header.split("\t")]
    names = tuple(name for name, _ in fields)
    if any(kind not in TYPES for _, kind in fields) or not set(needed) <= set(names):
        raise DataError(
            f"{path} is not an atomic file of RecBole: expected a header of name:type fields with "
            f"{' and '.join(needed)}, found {header[:120]!r}"
        )
    for index, frame in enumerate(delimited(path, "\t", names)):
        yield frame[1:] if index == 0 else frame  # the first line is the header


def _only(source: Path, pattern: str) -> Path:
    found = sorted(source.glob(pattern))
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found) or "none"
    raise DataError(f"{source} does not look like recbole: expected one {pattern}, found {names}")
