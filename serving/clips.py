"""Where the clip of a video is: a file that this machine has, and that a browser plays.

Releases hold no media, so the tables here say where it is, and the rules of extraction say what may
be read: files below the folders that the settings name, links followed. What a catalogue names
comes from whoever can write into the landing zone, and that holds more than clips; so a file is
served only where its first bytes are those of a film. What was checked is what is sent: the open
file, since a name may mean another one a moment later.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.errors import MediaError
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Roots
from kinoloop.media.source import open_real
from kinoloop.settings import read_section

REMEMBERED = 10_000
"""References by video id; a row that changes is seen after the next catalogue version."""

HEAD_BYTES = 16


class Clip(NamedTuple):
    """A file that can be played.

    Attributes:
        file: Open, at its first byte; whoever gets it closes it.
        media_type: By its first bytes, whatever its name says.
    """

    file: IO[bytes]
    media_type: str


class Clips:
    """Finds clips.

    Args:
        environment: Where tables and media are.
    """

    def __init__(self, environment: Environment) -> None:
        self._tables = Tables(environment.data_dir)
        config = read_section("extract", ExtractConfig, environment.settings_file)
        self._max_bytes = config.decode.max_bytes
        self._roots = Roots.of(
            environment.landing,
            environment.data_dir,
            access=config.access,
            state_dir=environment.state_dir,
        )
        self._reference = lru_cache(REMEMBERED)(self._read_reference)

    def find(self, video_id: str, catalogue_version: str) -> Clip:
        """Find the clip of a video and open it.

        Args:
            video_id: External id.
            catalogue_version: In service; with a new one the tables are asked again.

        Raises:
            MediaError: There is none that can be played from here.
        """
        reference = self._reference(video_id, catalogue_version)
        if not reference:
            raise MediaError("not_found", "the tables here name no media of this video")
        place = self._roots.locate(reference)
        if not isinstance(place, Path):
            raise MediaError("not_here", "the media of this video lies on another server")
        file = open_real(place, max_bytes=self._max_bytes)
        media_type = media_type_of(os.pread(file.fileno(), HEAD_BYTES, 0))
        if media_type is None:
            file.close()
            raise MediaError("not_playable", "the media of this video is no film for browsers")
        return Clip(file, media_type)

    def _read_reference(self, video_id: str, _: str) -> str | None:
        """Read what the tables say; the version is there to forget."""
        rows = self._tables.scan("videos").filter(pl.col("video_id") == video_id)
        found = rows.select("media").collect()["media"].to_list()
        return found[0] if found else None


def media_type_of(head: bytes) -> str | None:
    """Name the type of a film by its first bytes; None where browsers play nothing like it.

    Examples:
        >>> media_type_of(bytes(4) + b"ftypisom")
        'video/mp4'
        >>> media_type_of(b'{"user_id": "anna"}') is None
        True
    """
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm"
    return "video/ogg" if head.startswith(b"OggS") else None
