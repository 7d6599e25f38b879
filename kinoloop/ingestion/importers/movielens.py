"""MovieLens: ml-100k (`u.data`, `u.item`), ml-1m and ml-10m (`*.dat`), ml-20m and later (`*.csv`).

Ratings become events `rating` with the stars as `value`; genres become `tags`, the first one the
`category`; what stands for "none" (`(no genres listed)`, `unknown`) is none. Ids are text as they
stand in the files. ml-100k and ml-1m are in Latin-1, the others in UTF-8: the file decides.

Source: https://grouplens.org/datasets/movielens/ and the README in each archive.
"""

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
    require,
    whole_rows,
)

GENRES_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""In the order of the 19 flags of `u.item`, as `u.genre` lists them."""

NO_GENRES = ("(no genres listed)", "unknown")
DOCUMENTED = "latin-1"  # of the releases that are not UTF-8

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
        DataError: None of the three kinds is there.
    """
    if (source / "u.data").is_file():
        data, items = require(source, ("u.data", "u.item"), "movielens")
        ratings = delimited(data, "\t", RATING, documented=DOCUMENTED)
        movies = _movies_100k(items)
    elif (source / "ratings.dat").is_file():
        data, items = require(source, ("ratings.dat", "movies.dat"), "movielens")
        columns = ("video_id", "title", "genres")
        ratings = delimited(data, "::", RATING, documented=DOCUMENTED)
        movies = delimited(items, "::", columns, documented=DOCUMENTED)
    elif (source / "ratings.csv").is_file():
        data, items = require(source, ("ratings.csv", "movies.csv"), "movielens")
        ratings = _csv(data, RATING_CSV)
        movies = _csv(items, {"movieId": "video_id", "title": "title", "genres": "genres"})
    else:
        raise DataError(
            f"{source} does not look like movielens: neither u.data (ml-100k), ratings.dat (ml-1m, "
            "ml-10m) nor ratings.csv (ml-20m, ml-25m, ml-32m, ml-latest) is there. "
            "Name the unpacked folder."
        )
    for frame in movies:
        landing.write("videos", _videos(frame))
    for frame in ratings:
        landing.write("events", _events(frame))


def _videos(movies: pl.DataFrame) -> pl.DataFrame:
    listed = pl.col("genres").str.split("|")
    genres = listed.list.eval(pl.element().filter(~pl.element().is_in(["", *NO_GENRES])))
    tags = pl.when(genres.list.len() > 0).then(genres)
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
        path, "|", ("video_id", "title", "released", "_", "url", *flags), documented=DOCUMENTED
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
    for frame in whole_rows(path):
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise DataError(f"{path} has no column {missing[0]!r}; it is not a file of ml-latest")
        yield frame.select(list(names)).rename(names)
