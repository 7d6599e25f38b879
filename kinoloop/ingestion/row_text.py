"""Rows as text: the JSON that the quarantine shows, and the hash that names an event without id."""

import hashlib

import polars as pl

from kinoloop.privacy.addresses import redact
from kinoloop.schema import ANSWER_COLUMNS, EVENT_CONTEXT, LANDING_EVENTS, VIDEOS

EVENT_ID_BYTES = 16
_SEPARATOR, _NULL = "\x1f", "\x00"

EVENT_IDENTITY = tuple(name for name in LANDING_EVENTS if name != "event_id")
LATER_IDENTITY = (*EVENT_CONTEXT, *ANSWER_COLUMNS)
"""Count in the hash where they are filled: an event that has none keeps the id it always had."""

VIDEO_IDENTITY = tuple(name for name in VIDEOS if name != "batch_id")


def event_ids(events: pl.DataFrame) -> pl.Series:
    """Ids of events: the given one, else a hash of the row.

    Args:
        events: Landing columns, `user_id` as pseudonym already, so that the hash tells nothing.

    Returns:
        Text, never null. Two rows that are equal in every column get the same id.
    """
    given = events["event_id"]
    without = given.is_null()
    if not without.any():
        return given
    later = [
        pl.when(pl.col(name).is_not_null())
        .then(pl.concat_str(pl.lit(f"{_SEPARATOR}{name}="), pl.col(name).cast(pl.String)))
        .otherwise(pl.lit(""))
        for name in LATER_IDENTITY
    ]
    text = pl.concat_str([row_text(EVENT_IDENTITY), *later]).alias("text")
    texts = events.filter(without).select(text)["text"]
    hashes = [
        hashlib.blake2b(text.encode(), digest_size=EVENT_ID_BYTES).hexdigest() for text in texts
    ]
    return given.scatter(without.arg_true(), hashes) if len(hashes) else given


def row_text(columns: tuple[str, ...]) -> pl.Expr:
    """Columns of the tables as one text; equal exactly where all columns are equal."""
    return pl.concat_str([_text(name) for name in columns], separator=_SEPARATOR)


def as_json(frame: pl.DataFrame) -> pl.Series:
    """Each row as a JSON object; what JSON has no word for (NaN, bytes, times) is text.

    Addresses are shown without what could open them, however deep they stand.
    """
    if not frame.width:
        return pl.Series("row", ["{}"] * frame.height, dtype=pl.String)
    values = [_json_value(frame[name]) for name in frame.columns]
    return pl.DataFrame(values).select(row=pl.struct(pl.all()).struct.json_encode())["row"]


def _text(name: str) -> pl.Expr:
    dtype = VIDEOS.get(name, LANDING_EVENTS.get(name))
    column = pl.col(name)
    if dtype == pl.List(pl.String):
        text = column.list.join(_NULL)
    elif isinstance(dtype, pl.Datetime):
        text = column.dt.epoch("us").cast(pl.String)
    else:
        text = column.cast(pl.String)
    return text.fill_null(_NULL)


def _json_value(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.Array):
        return _json_lists(column.arr.to_list())
    if isinstance(dtype, pl.List):
        return _json_lists(column)
    if isinstance(dtype, pl.Struct):
        return _json_structs(column)
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return _json_value(column.cast(pl.String))
    if dtype.is_float():
        odd = (~column.is_finite()).any()
        return column.cast(pl.String) if odd else column
    if dtype == pl.Binary:
        return column.bin.encode("base64")
    if dtype == pl.String and column.str.contains("://", literal=True).any():
        return column.map_elements(redact, return_dtype=pl.String)
    plain = dtype.is_integer() or dtype in {pl.String, pl.Boolean}
    return column if plain else column.cast(pl.String)


def _json_lists(column: pl.Series) -> pl.Series:
    rows = pl.DataFrame({"row": range(len(column)), "list": column})
    filled = rows.filter(pl.col("list").list.len() > 0).explode("list")
    filled = filled.with_columns(_json_value(filled["list"]))
    lists = filled.group_by("row").agg("list")
    found = rows.select("row").join(lists, on="row", how="left", maintain_order="left")["list"]
    found = found.set(column.list.len() == 0, [])
    return found.alias(column.name)


def _json_structs(column: pl.Series) -> pl.Series:
    fields = column.struct.unnest()
    if not fields.width:
        return column
    frame = pl.DataFrame([_json_value(fields[name]) for name in fields.columns])
    return pl.select(
        pl.when(column.is_not_null()).then(frame.to_struct(column.name)).alias(column.name)
    ).to_series()
