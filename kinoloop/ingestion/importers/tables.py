"""Your own Parquet, CSV and JSONL: `videos` and `events`, as folders or files.

Columns and kinds of event that have the landing names are taken as they stand; `table_map` names
others. An event of a kind that nobody has named is refused before anything is written, with all
the values that the files have: it is known then, and one line names it.
"""

import logging
from collections import Counter
from pathlib import Path

import fsspec
import polars as pl

from kinoloop.errors import ConfigError, DataError
from kinoloop.ingestion.conform import REQUIRED
from kinoloop.ingestion.importers.base import IMPORTERS, Landing, as_time, whole_rows
from kinoloop.ingestion.importers.table_map import (
    LEFT_OUT,
    ROOT,
    Columns,
    Map,
    TableMap,
    expression,
    named,
)
from kinoloop.ingestion.reading import FORMATS, format_of, read_columns
from kinoloop.schema import EVENT_KINDS, LANDING_EVENTS, LANDING_VIDEOS

logger = logging.getLogger(__name__)

MEND = (
    "fix the line. Or copy the file into the landing zone as it is: ingest quarantines such lines"
)
SHOWN_VALUES = 20
"""Values of events that a refusal lists, most frequent first."""

LANDING = {"videos": LANDING_VIDEOS, "events": LANDING_EVENTS}


@IMPORTERS.register("tables")
def import_as_named(source: Path, landing: Landing) -> None:
    """Import tables whose columns have the landing names; see `import_tables`."""
    import_tables(source, landing)


def import_tables(
    source: Path, landing: Landing, *, mapping: Map | None = None, columns: Columns | None = None
) -> dict[str, int]:
    """Import the tables below `source`.

    Args:
        source: Folder with `videos` and `events`, or what the map names.
        landing: Where to write.
        mapping: The map; None: columns and kinds of event have the landing names.
        columns: Further columns by landing name, for whichever files have them.

    Returns:
        Events by value that the map leaves out.

    Raises:
        DataError: Files or columns are missing, or events are of an unknown kind.
        ConfigError: A column is given for no landing column.
    """
    maps = mapping or Map()
    found = {kind: _files(source, kind, getattr(maps, kind)) for kind in REQUIRED}
    if not any(found.values()):
        raise DataError(
            f"{source} has neither videos nor events: expected videos/ or videos.csv "
            f"({', '.join(FORMATS)}), and events likewise, or a map that names the files (--map)"
        )
    maps = _with_columns(maps, columns or {}, found)
    left_out = _count_left_out(maps.events, found["events"])
    for kind, paths in found.items():
        for path in paths:
            for frame in whole_rows(path, hint=MEND):
                landing.write(kind, _mapped(frame, getattr(maps, kind), kind, path, source))
    for value, n in left_out.items():
        logger.info("%d events %r are left out, as the map says", n, value)
    return left_out


def _with_columns(maps: Map, columns: Columns, found: dict[str, list[Path]]) -> Map:
    """Add columns that are given without a kind to the kinds whose files have them."""
    files = fsspec.filesystem("file")
    there = {
        kind: {name for path in paths for name in read_columns(files, str(path))}
        for kind, paths in found.items()
        if columns and paths
    }
    added: dict[str, dict[str, str]] = {kind: {} for kind in REQUIRED}
    for (only, name), origin in columns.items():
        takers = [kind for kind in there if only in {"", kind} and name in LANDING[kind]]
        having = [kind for kind in takers if origin in there[kind]]
        if not having:
            looked = sorted(set().union(*(there[kind] for kind in takers or there)))
            raise DataError(
                f"no file of {' or '.join(takers or there)} has a column {origin!r} for {name}; "
                f"there are {', '.join(looked)}; see --map-columns"
            )
        for kind in having:
            added[kind][name] = origin
    return Map(
        **{
            kind: getattr(maps, kind).model_copy(
                update={"columns": getattr(maps, kind).columns | added[kind]}
            )
            for kind in REQUIRED
        }
    )


def _count_left_out(table: TableMap, paths: list[Path]) -> dict[str, int]:
    """Count what the map leaves out, and refuse kinds of event that it does not name.

    Raises:
        DataError: Names the unknown values, and how many events have each.
    """
    if "event" in table.values:
        return {}
    origin = table.columns.get("event", "event")
    if "{" in origin:
        raise ConfigError(f"events.columns.event is the pattern {origin!r}; name one column")
    counts = Counter[str]()
    for path in paths:
        for frame in whole_rows(path, hint=MEND):
            if origin in frame.columns:
                values = frame[origin].cast(pl.String).drop_nulls().value_counts()
                counts.update(dict(values.iter_rows()))
    known = set(EVENT_KINDS) | set(table.kinds)
    frequent = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    unknown = {value: n for value, n in frequent if value not in known}
    if unknown:
        listed = ", ".join(f"{value!r} ({n:,})" for value, n in frequent[:SHOWN_VALUES])
        first = next(iter(unknown))
        raise DataError(
            f"{sum(unknown.values()):,} of {sum(counts.values()):,} events have a kind that is not "
            f"known: {', '.join(map(repr, list(unknown)[:SHOWN_VALUES]))}. Column {origin!r} has "
            f"{listed}{_more(counts)}; the kinds are {', '.join(EVENT_KINDS)}. Name them with "
            f"--map-events {first}=view, or events.kinds in a map; {first}= leaves them out. "
            "Nothing was imported"
        )
    return {value: counts[value] for value, kind in table.kinds.items() if kind == LEFT_OUT}


def _more(counts: Counter[str]) -> str:
    more = len(counts) - SHOWN_VALUES
    return f" and {more} more" if more > 0 else ""


def _files(source: Path, kind: str, table: TableMap) -> list[Path]:
    if table.files is not None:
        paths = sorted(path for path in source.glob(table.files) if path.is_file())
        if not paths:
            raise DataError(f"no file below {source} matches {table.files!r} (files of {kind})")
        return paths
    candidates = [*source.glob(f"{kind}.*"), *(source / kind).rglob("*")]
    return sorted(path for path in candidates if path.is_file() and format_of(path.name))


def _mapped(
    frame: pl.DataFrame, table: TableMap, kind: str, path: Path, source: Path
) -> pl.DataFrame:
    needed = {name for spec in table.columns.values() for name in named(spec)} - {ROOT}
    missing = sorted(needed - set(frame.columns))
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]!r}, which the map names; "
            f"it has {', '.join(frame.columns)}"
        )
    for name, unit in table.times.items():
        origin = table.columns.get(name, name)
        if origin not in frame.columns:
            raise DataError(f"{path} has no column {origin!r}, which the map gives a unit")
        try:
            frame = frame.with_columns(as_time(frame[origin], unit))
        except DataError as err:
            raise DataError(f"{path}: {err}; name its unit in the map (times.{name})") from err
    given = {name: expression(spec, source) for name, spec in table.columns.items()}
    constants = {name: pl.lit(value) for name, value in table.values.items()}
    renamed = frame.with_columns(**given, **constants)
    spent = needed - set(given)
    renamed = renamed.drop(name for name in spent if name in table.columns.values())
    absent = [name for name in REQUIRED[kind] if name not in renamed.columns]
    if absent:
        raise DataError(
            f"{path} has no column {absent[0]!r}; it has {', '.join(frame.columns)}. "
            "Rename it, or name it with --map-columns or a map (--map, docs/guides/your-data.md)"
        )
    return _renamed_kinds(renamed, table) if kind == "events" else renamed


def _renamed_kinds(events: pl.DataFrame, table: TableMap) -> pl.DataFrame:
    if not table.kinds or "event" in table.values:
        return events
    kinds = pl.col("event").cast(pl.String).replace(table.kinds)
    return events.with_columns(kinds).filter(pl.col("event").ne_missing(LEFT_OUT))
