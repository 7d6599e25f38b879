"""MovieLens: ml-100k (`u.data`, `u.item`), ml-1m (`*.dat`) and ml-latest (`*.csv`).

Ratings become events `rating` with the stars as `value`; genres become `tags`, the first one the
`category`. Ids are text as they stand in the files.

Source: https://grouplens.org/datasets/movielens/ and the README in each archive.
"""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import polars as pl

from kinoloop.data.importers.base import (
    IMPORTERS,
    Landing,
    as_number,
    as_time,
    delimited,
    require,
)
from kinoloop.data.reading import read_chunks
from kinoloop.errors import DataError

GENRES_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""In the order of the 19 flags of `u.item`, as `u.genre` lists them."""

RATING = ("user_id", "video_id", "value", "timestamp")
RATING_CSV = {
    "userId": "user_id",
    "movieId": "video_id",
    "rating": "value",
    "timestamp": "timestamp",
}


@IMPORTERS.register("movielens")
def import_movielens(source: Path, landing: Landing) -> None:
    """Import whichever release is in `source`.

    Raises:
        DataError: None of the three is there.
    """
    if (source / "u.data").is_file():
        data, items = require(source, ("u.data", "u.item"), "movielens")
        ratings, movies = delimited(data, "\t", RATING), _movies_100k(items)
    elif (source / "ratings.dat").is_file():
        data, items = require(source, ("ratings.dat", "movies.dat"), "movielens")
        columns = ("video_id", "title", "genres")
        ratings = delimited(data, "::", RATING, encoding="latin-1")
        movies = delimited(items, "::", columns, encoding="latin-1")
    elif (source / "ratings.csv").is_file():
        data, items = require(source, ("ratings.csv", "movies.csv"), "movielens")
        ratings = _csv(data, RATING_CSV)
        movies = _csv(items, {"movieId": "video_id", "title": "title", "genres": "genres"})
    else:
        raise DataError(
            f"{source} does not look like movielens: neither u.data (ml-100k), ratings.dat (ml-1m) "
            "nor ratings.csv (ml-latest) is there. Name the unpacked folder."
        )
    for frame in movies:
        landing.write("videos", _videos(frame))
    for frame in ratings:
        landing.write("events", _events(frame))


def _videos(movies: pl.DataFrame) -> pl.DataFrame:
    genres = pl.col("genres").str.split("|").list.drop_nulls()
    tags = pl.when(pl.col("genres").is_not_null()).then(genres)
    return movies.with_columns(tags=tags, category=tags.list.first()).drop("genres")


def _events(ratings: pl.DataFrame) -> pl.DataFrame:
    return ratings.with_columns(
        as_number(ratings["value"]),
        as_time(ratings["timestamp"], "s"),
        event=pl.lit("rating"),
    )


def _movies_100k(path: Path) -> Iterator[pl.DataFrame]:
    flags = tuple(f"flag{i}" for i in range(len(GENRES_100K)))
    for frame in delimited(
        path, "|", ("video_id", "title", "released", "_", "url", *flags), encoding="latin-1"
    ):
        named = [
            pl.when(pl.col(flag) == "1").then(pl.lit(genre))
            for flag, genre in zip(flags, GENRES_100K, strict=True)
        ]
        genres = pl.concat_str(named, separator="|", ignore_nulls=True)
        yield frame.select(
            "video_id",
            "title",
            released=_filled("released"),
            url=_filled("url"),
            genres=pl.when(genres != "").then(genres),
        )


def _filled(column: str) -> pl.Expr:
    return pl.when(pl.col(column) != "").then(pl.col(column))


def _csv(path: Path, names: dict[str, str]) -> Iterator[pl.DataFrame]:
    for chunk in read_chunks(fsspec.filesystem("file"), str(path)):
        if chunk.malformed:
            raise DataError(
                f"{path}: line {chunk.malformed[0]} has another number of fields than the header; "
                "an importer drops no rows: mend the file, or fetch it again"
            )
        missing = [name for name in names if name not in chunk.frame.columns]
        if missing:
            raise DataError(f"{path} has no column {missing[0]!r}; it is not that of ml-latest")
        yield chunk.frame.select(list(names)).rename(names)
