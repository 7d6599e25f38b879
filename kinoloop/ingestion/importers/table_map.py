"""How tables of your own become landing rows: a small TOML file (`--map`), or flags.

    [videos]
    files = "manifest.csv"                 # pattern below the source
    columns.video_id = "file"              # another column ...
    columns.media = "{root}/media/{file}"  # ... or a pattern of columns; {root} is the source
    values.language = "en"                 # the same for every row
    times.published_at = "s"               # epoch numbers: s, ms, us or ns
    [events]
    kinds.play = "view"                    # another value of the column event
    kinds.heartbeat = ""                   # left out, and counted

A pattern is empty where one of its columns is. Columns that the map does not name keep their names.
The flags say the same in short: `--map-columns user=uid,video=clip --map-events play=view`; what
they say comes before the file.
"""

import re
import tomllib
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field, ValidationError, field_validator

from kinoloop.data.times import Unit
from kinoloop.errors import ConfigError
from kinoloop.schema import EVENT_KINDS, LANDING_EVENTS, LANDING_VIDEOS
from kinoloop.settings import Config, first_fault

ROOT = "root"
LEFT_OUT = ""
"""Kind of the events that are not imported."""

_FIELD = re.compile(r"{(\w+)}")
SHORT = {"user": "user_id", "video": "video_id", "time": "timestamp", "creator": "creator_id"}
"""Short names of landing columns in flags."""

Kind = Literal["", "videos", "events"]
Columns = dict[tuple[Kind, str], str]
"""Column of the source by (kind of table, landing name); "" is whichever kind has the column."""


class TableMap(Config):
    """How the files of one kind become landing rows."""

    files: str | None = Field(None, description="Pattern below the source; None: by kind.")
    columns: dict[str, str] = Field(default_factory=dict, description="Column or pattern.")
    values: dict[str, str] = Field(default_factory=dict, description="Constants.")
    times: dict[str, Unit] = Field(default_factory=dict, description="Units of epoch numbers.")
    kinds: dict[str, str] = Field(default_factory=dict, description="Kind by value of `event`.")

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: dict[str, str]) -> dict[str, str]:
        for value, kind in kinds.items():
            if kind not in {*EVENT_KINDS, LEFT_OUT}:
                raise ValueError(
                    f"{value} cannot be {kind!r}; the kinds are {', '.join(EVENT_KINDS)}, and "
                    "nothing leaves them out"
                )
        return kinds


class Map(Config):
    """A map file."""

    videos: TableMap = TableMap()
    events: TableMap = TableMap()


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


def with_kinds(mapping: Map, said: str) -> Map:
    """Add kinds of event as the flag says them, such as `play=view,heart=like`.

    Raises:
        ConfigError: A part is no pair, or a kind is none.
    """
    kinds = mapping.events.kinds | dict(_pairs(said, "--map-events", "play=view,heart=like"))
    try:
        events = TableMap.model_validate(mapping.events.model_dump() | {"kinds": kinds})
    except ValidationError as err:
        raise ConfigError(f"--map-events: {first_fault(err)}") from err
    return mapping.model_copy(update={"events": events})


def columns_of(said: str) -> Columns:
    """Read columns as the flag says them, such as `user=uid,videos.title=name`.

    Raises:
        ConfigError: A part is no pair, or names no landing column.
    """
    landing = {"videos": set(LANDING_VIDEOS), "events": set(LANDING_EVENTS)}
    known = {"": landing["videos"] | landing["events"], **landing}
    columns: Columns = {}
    for name, origin in _pairs(said, "--map-columns", "user=uid,video=clip"):
        before, _, after = name.rpartition(".")
        target = SHORT.get(after, after)
        if before not in known or target not in known[before] or not origin:
            raise ConfigError(
                f"--map-columns has {name}={origin}; expected LANDING_COLUMN=YOUR_COLUMN, where "
                f"needed with videos. or events. before it; there are "
                f"{', '.join(sorted(known['']))}"
            )
        kind: Kind = "videos" if before == "videos" else "events" if before == "events" else ""
        columns[kind, target] = origin
    return columns


def named(spec: str) -> list[str]:
    """Columns that a column or pattern names."""
    return _FIELD.findall(spec) if "{" in spec else [spec]


def expression(spec: str, source: Path) -> pl.Expr:
    """Value of a column or pattern."""
    if "{" not in spec:
        return pl.col(spec)
    values = [
        pl.lit(str(source.resolve())) if name == ROOT else pl.col(name).cast(pl.String)
        for name in named(spec)
    ]
    return pl.format(_FIELD.sub("{}", spec), *values)


def _pairs(said: str, flag: str, example: str) -> list[tuple[str, str]]:
    parts = [part.partition("=") for part in said.split(",") if part.strip()]
    for name, sign, _ in parts:
        if not sign or not name.strip():
            raise ConfigError(f"{flag} has {name!r}, expected pairs such as {example}")
    return [(name.strip(), value.strip()) for name, _, value in parts]
