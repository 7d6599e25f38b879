"""Your own Parquet, CSV and JSONL: `videos` and `events`, as folders or files.

Columns that have the landing names are taken as they stand. Others are named by a map, a small TOML
file (`--map`):

    [videos]
    files = "manifest.csv"                 # pattern below the source
    columns.video_id = "file"              # another column ...
    columns.media = "{root}/media/{file}"  # ... or a pattern of columns; {root} is the source
    values.language = "en"                 # the same for every row
    times.published_at = "s"               # epoch numbers: s, ms, us or ns

A pattern is empty where one of its columns is. Columns that the map does not name keep their names.
"""

import re
import tomllib
from pathlib import Path

import polars as pl
from pydantic import Field, ValidationError

from kinoloop.data.times import Unit
from kinoloop.errors import ConfigError, DataError
from kinoloop.ingestion.conform import REQUIRED
from kinoloop.ingestion.importers.base import IMPORTERS, Landing, as_time, whole_rows
from kinoloop.ingestion.reading import FORMATS, format_of
from kinoloop.settings import Config, first_fault

ROOT = "root"
MEND = (
    "fix the line. Or copy the file into the landing zone as it is: ingest quarantines such lines"
)
_FIELD = re.compile(r"{(\w+)}")


class TableMap(Config):
    """How the files of one kind become landing rows."""

    files: str | None = Field(None, description="Pattern below the source; None: by kind.")
    columns: dict[str, str] = Field(default_factory=dict, description="Column or pattern.")
    values: dict[str, str] = Field(default_factory=dict, description="Constants.")
    times: dict[str, Unit] = Field(default_factory=dict, description="Units of epoch numbers.")


class Map(Config):
    """A map file."""

    videos: TableMap = TableMap()
    events: TableMap = TableMap()


@IMPORTERS.register("tables")
def import_as_named(source: Path, landing: Landing) -> None:
    """Import tables whose columns have the landing names; see `import_tables`."""
    import_tables(source, landing)


def import_tables(source: Path, landing: Landing, *, mapping: Path | None = None) -> None:
    """Import the tables below `source`.

    Args:
        source: Folder with `videos` and `events`, or what the map names.
        landing: Where to write.
        mapping: The map file; None: columns have the landing names.

    Raises:
        DataError: Files or columns are missing.
        ConfigError: The map is wrong.
    """
    maps = read_map(mapping) if mapping else Map()
    found = {kind: _files(source, kind, getattr(maps, kind)) for kind in REQUIRED}
    if not any(found.values()):
        raise DataError(
            f"{source} has neither videos nor events: expected videos/ or videos.csv "
            f"({', '.join(FORMATS)}), and events likewise, or a map that names the files (--map)"
        )
    for kind, paths in found.items():
        for path in paths:
            for frame in whole_rows(path, hint=MEND):
                landing.write(kind, _mapped(frame, getattr(maps, kind), kind, path, source))


def read_map(path: Path) -> Map:
    """Read a map file.

    Raises:
        ConfigError: It is missing, not TOML, or has keys that a map does not have.
    """
    try:
        return Map.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as err:
        raise ConfigError(f"there is no map file {path}") from err
    except tomllib.TOMLDecodeError as err:
        raise ConfigError(f"{path} is not valid TOML: {err}") from err
    except ValidationError as err:
        raise ConfigError(f"{path}: {first_fault(err)}") from err


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
    needed = {name for spec in table.columns.values() for name in _named(spec)} - {ROOT}
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
    given = {name: _expression(spec, source) for name, spec in table.columns.items()}
    constants = {name: pl.lit(value) for name, value in table.values.items()}
    renamed = frame.with_columns(**given, **constants)
    spent = needed - set(given)
    renamed = renamed.drop(name for name in spent if name in table.columns.values())
    absent = [name for name in REQUIRED[kind] if name not in renamed.columns]
    if absent:
        raise DataError(
            f"{path} has no column {absent[0]!r}; it has {', '.join(frame.columns)}. "
            "Rename it, or name it in a map (--map, docs/guides/your-data.md)"
        )
    return renamed


def _named(spec: str) -> list[str]:
    """Columns that a column or pattern names."""
    return _FIELD.findall(spec) if "{" in spec else [spec]


def _expression(spec: str, source: Path) -> pl.Expr:
    if "{" not in spec:
        return pl.col(spec)
    names = _named(spec)
    values = [
        pl.lit(str(source.resolve())) if name == ROOT else pl.col(name).cast(pl.String)
        for name in names
    ]
    return pl.format(_FIELD.sub("{}", spec), *values)
