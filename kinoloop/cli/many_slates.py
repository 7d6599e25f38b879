"""Slates of many users as one Parquet file: a row per place, written in pieces."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from kinoloop.durable import appearing
from kinoloop.errors import DataError
from kinoloop.schema import MAX_ID_CHARACTERS

if TYPE_CHECKING:
    from kinoloop.cli.from_release import FromRelease
    from serving.asking import Wish

PIECE = 50_000
"""Places in memory at a time, about."""

SAY_EVERY = 100
"""Users between two reports of progress."""

SCHEMA = pa.schema(
    {
        "user_id": pa.string(),
        "position": pa.int32(),
        "video_id": pa.string(),
        "score": pa.float64(),
        "model_version": pa.string(),
        "catalogue_version": pa.string(),
    }
)


class Written(NamedTuple):
    """What was written.

    Attributes:
        users: Slates that have a place.
        empty: Users for whom nothing is left to recommend.
        places: Rows.
    """

    users: int
    empty: int
    places: int


class User(NamedTuple):
    """Somebody to recommend to.

    Attributes:
        name: As the file names them.
        pseudonym: As the release does.
    """

    name: str
    pseudonym: str


def write_slates(
    out: Path,
    users: Iterable[User],
    release: "FromRelease",
    wish: "Wish",
    *,
    progress: Callable[[int], None],
) -> Written:
    """Write the slates of users, all of one moment; the file is there whole or not at all.

    Args:
        out: Where to; a file that is there is replaced. For this account only.
        users: Read as they are answered.
        release: Answers.
        wish: What is asked for.
        progress: Called with the number of users that are done.

    Raises:
        DataError: The file cannot be written.
    """
    try:
        with (
            appearing(out, mode=0o600) as fresh,
            pq.ParquetWriter(fresh, SCHEMA, compression="zstd") as writer,
        ):
            return asyncio.run(_write(writer, users, release, wish, progress=progress))
    except OSError as err:
        raise DataError(f"{out} cannot be written: {err}; name another place by --out") from err


async def _write(
    writer: pq.ParquetWriter,
    users: Iterable[User],
    release: "FromRelease",
    wish: "Wish",
    *,
    progress: Callable[[int], None],
) -> Written:
    from kinoloop.release.availability import now

    current, moment = release.current, now()
    versions = (current.model_version, current.catalogue_version)
    rows: list[tuple[str, int, str, float, str, str]] = []
    done = empty = places = 0
    for done, user in enumerate(users, start=1):
        slate = await release.slate(user.pseudonym, wish, moment=moment)
        rows += [
            (user.name, position, place.video_id, place.score, *versions)
            for position, place in enumerate(slate)
        ]
        empty += not slate
        places += len(slate)
        if len(rows) >= PIECE:
            writer.write_table(_table(rows))
            rows.clear()
        if done % SAY_EVERY == 0:
            progress(done)
    writer.write_table(_table(rows))
    return Written(done - empty, empty, places)


def users_in(path: Path) -> Iterator[str]:
    """Yield the user ids of a text file, one a line; blank lines are passed over.

    Raises:
        DataError: It cannot be read, or a line is no user id.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                user = line.strip()  # as ingestion reads ids
                if len(user) > MAX_ID_CHARACTERS:
                    raise DataError(
                        f"{path}, line {number}: {len(user)} characters, expected a user id of at "
                        f"most {MAX_ID_CHARACTERS}; write one id a line"
                    )
                if user:
                    yield user
    except (OSError, UnicodeError) as err:
        raise DataError(
            f"{path} cannot be read: {err}; expected a text file in UTF-8, one user id a line"
        ) from err


def _table(rows: list[tuple[str, int, str, float, str, str]]) -> pa.Table:
    columns = [*zip(*rows, strict=True)] or [()] * len(SCHEMA)
    return pa.table([*map(list, columns)], schema=SCHEMA)
