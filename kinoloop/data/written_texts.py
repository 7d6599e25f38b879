"""Searches and comments read from the table `events`, encoded at once, written nowhere."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.evidence import evidence
from kinoloop.data.tables import Tables
from kinoloop.data.written import MOST_CHARACTERS, WRITTEN, Written
from kinoloop.kinds import EVENT_KINDS

MOST_TEXTS: Final = 20_000  # different texts, the newest: about a minute of one core with MiniLM
AT_A_TIME: Final = 1024  # texts

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


def load_written(
    tables: Tables,
    user_ids: Sequence[str],
    encode: Encode,
    *,
    space: str,
    until: datetime | None = None,
) -> Written:
    """Read what users wrote, as it counts: under the person, without what was taken back.

    Args:
        tables: Table `events` is read.
        user_ids: Pseudonyms, one per row; of others nothing is read.
        encode: The encoder of the text vectors of the catalogue.
        space: Their fingerprint.
        until: What was written at or after it is left out (UTC).
    """
    rows = pl.LazyFrame(
        {"user_id": list(user_ids), "row": range(len(user_ids))},
        schema={"user_id": pl.String, "row": pl.Int64},
    )
    text = pl.col("text").str.strip_chars()
    events = evidence(tables).filter(
        pl.col("event").is_in(WRITTEN), text.str.len_chars().is_between(1, MOST_CHARACTERS)
    )
    if until is not None:
        events = events.filter(pl.col("timestamp") < until)
    found = (
        events.join(rows, on="user_id")
        .select(
            "row",
            text.alias("text"),
            pl.col("timestamp").to_physical(),
            pl.col("event")
            .replace_strict(EVENT_KINDS, range(len(EVENT_KINDS)), return_dtype=pl.UInt8)
            .alias("kind"),
        )
        .collect(engine="streaming")
    )
    newest = found.group_by("text").agg(pl.col("timestamp").max())
    kept = newest.sort("timestamp", "text", descending=True).head(MOST_TEXTS)["text"].sort()
    found = found.join(
        pl.DataFrame({"text": kept, "at": np.arange(len(kept), dtype=np.int32)}), on="text"
    ).sort("row", "timestamp", "kind", "at")
    counts = np.bincount(found["row"].to_numpy(), minlength=len(user_ids))
    parts = [encode(kept[at : at + AT_A_TIME].to_list()) for at in range(0, len(kept), AT_A_TIME)]
    return Written(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        texts=found["at"].to_numpy().astype(np.int32),
        kinds=found["kind"].to_numpy(),
        timestamps=found["timestamp"].to_numpy(),
        vectors=np.concatenate(parts) if parts else np.zeros((0, 1), dtype=np.float32),
        space=space,
    )
