"""What a person said of a video's labels: durable, above every guess, and taken back at will.

An answer is (video, facet, label, holds or not) in the table `answers`, beside the others in the
data directory, so the dataset version covers it and no extraction touches it. Who gave it is not
kept. It counts at the next `kinoloop extract`: the video gets the label or loses it, and heads
learn from it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import deltalake
import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import exclusive
from kinoloop.errors import DataError
from kinoloop.schema import ANSWERS
from kinoloop.semantics.label_file import Facet

MAX_CHARACTERS = 80
"""Longest label, and longest facet, that a person may give."""

TAG = "tag"
"""Facet of a label that no facet of the label file has."""

_KEY = ("video_id", "facet", "label")


def read_answers(tables: Tables) -> pl.DataFrame:
    """Read all answers: columns of `schema.ANSWERS`, sorted by video, facet and label."""
    return tables.scan("answers").sort(_KEY).collect()


def facet_of(label: str, facets: Sequence[Facet], asked: str = "") -> str:
    """Find the facet that a label belongs to.

    Args:
        label: A person's word.
        facets: Of the label file.
        asked: The facet that the person named; "" where none was.

    Raises:
        DataError: Several facets have that label.
    """
    if asked:
        return asked
    found = [facet.name for facet in facets if label in facet.labels]
    if len(found) > 1:
        raise DataError(f"{label!r} is a label of {' and '.join(found)}; say which: --facet")
    return found[0] if found else TAG


def give_answer(tables: Tables, video_id: str, label: str, *, facet: str, holds: bool) -> None:
    """Note what a person said; a later answer to the same question replaces it.

    Raises:
        DataError: There is no such video, or a name is empty, too long or not printable.
    """
    for what, name in (("label", label), ("facet", facet)):
        if not name.strip() or len(name) > MAX_CHARACTERS or not name.isprintable():
            raise DataError(
                f"{what} {name[:MAX_CHARACTERS]!r} must be 1 to {MAX_CHARACTERS} printable "
                "characters on one line"
            )
    with exclusive(tables):
        _check_video(tables, video_id)
        row = (video_id, facet.strip(), label.strip(), holds, datetime.now(UTC))
        fresh = pl.DataFrame([row], schema=ANSWERS, orient="row")
        kept = read_answers(tables).join(fresh, on=_KEY, how="anti")
        _write(tables, pl.concat([kept, fresh]))


def take_back(tables: Tables, video_id: str, label: str, *, facet: str) -> bool:
    """Forget an answer: the video is labelled as if it had never been given.

    Returns:
        Whether there was one.
    """
    with exclusive(tables):
        known = read_answers(tables)
        mine = pl.DataFrame([(video_id, facet, label)], schema=_KEY, orient="row")
        kept = known.join(mine, on=_KEY, how="anti")
        if len(kept) == len(known):
            return False
        _write(tables, kept)
        return True


def _check_video(tables: Tables, video_id: str) -> None:
    there = tables.scan("videos").filter(pl.col("video_id") == video_id).select(pl.len())
    if not there.collect().item():
        raise DataError(
            f"no video has the id {video_id!r}; `kinoloop label next` prints ids of this catalogue"
        )


def _write(tables: Tables, rows: pl.DataFrame) -> None:
    path = str(tables.path("answers"))
    deltalake.write_deltalake(path, rows.sort(_KEY).to_arrow(), mode="overwrite")
