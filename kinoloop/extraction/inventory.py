"""What every video consists of today: where its files are, and hashes of content and words.

The catalogue passes by in slices: of a video that misses nothing no more is kept than of its row.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.data.video_text import READ, compose
from kinoloop.errors import MediaError
from kinoloop.media.access import (
    STORES,
    AccessConfig,
    is_remote,
    remembered_folders,
    resolve,
)
from kinoloop.media.hashes import HashCache
from kinoloop.media.prints import PRINTS_VERSION
from kinoloop.media.reasons import LEFT_OUT

COLUMNS = ("video_id", "media", "subtitles", *(name for name in READ if name != "words"))
SLICE_VIDEOS = 10_000

ROW_VERSION = 3
"""Raised whenever a row of `media` says more of the same files: only that is then made again."""


WORDS_VERSION = 2
"""Raised whenever other words are read of the same files: only words are then encoded again."""


@dataclass(frozen=True)
class Roots:
    """Where references may lead, and where relative ones are looked for.

    Attributes:
        folders: Files lie below one of these, in the order in which relative paths are looked for:
            the landing zone where it is a folder, the data directory, those of the settings, those
            that were imported from.
        remote: The landing zone where it is a URL; last resort of relative paths.
        here: Relative paths are looked for here too; the file must lie in one of the folders.
        access: Which buckets and hosts may be named.
    """

    folders: tuple[Path, ...]
    remote: str | None = None
    here: Path | None = None
    access: AccessConfig = field(default_factory=AccessConfig)

    @classmethod
    def of(cls, landing: str, data_dir: Path, *, access: AccessConfig, state_dir: Path) -> Self:
        """Collect the roots of one environment."""
        named = (*map(Path, access.folders), *remembered_folders(state_dir))
        if "://" in landing:
            return cls((data_dir, *named), landing.rstrip("/"), Path.cwd(), access)
        return cls((Path(landing), data_dir, *named), None, Path.cwd(), access)

    def locate(self, reference: str) -> Path | str:
        """Find what a reference means: a path, or a URL.

        Raises:
            MediaError: It means nothing that may be read.
        """
        if is_remote(reference):
            if reference.partition("://")[0].lower() in STORES:
                self.access.check_bucket(reference, self.remote)
            return reference
        try:
            return resolve(reference, self.folders, here=self.here)
        except MediaError as err:
            if self.remote is None or err.reason != "not_found" or Path(reference).is_absolute():
                raise
        place = f"{self.remote}/{reference}"
        self.access.check_bucket(place, self.remote)
        return place


@dataclass(frozen=True)
class Item:
    """One video as extraction sees it.

    Attributes:
        video_id: External id.
        text: What the catalogue says (`kinoloop.data.video_text`), without subtitles.
        media: Reference as the catalogue has it; None for words only.
        subtitles: Likewise.
        media_at: Where the media is; None where there is none or it was not found.
        subtitles_at: Likewise.
        content_hash: Of media and subtitles; "" where the catalogue names neither.
        media_hash: Of these, of who listens where there are no subtitles, of who reads, and of the
            version of the media row; "" likewise.
        text_hash: Of all words of the video.
        fault: Why the media was not found or may not be read; "" else.
        subtitles_fault: Likewise of the subtitles.
        unreachable: Whether it is not known what its files are now, since a server does not answer.
    """

    video_id: str
    text: str
    media: str | None
    subtitles: str | None
    media_at: Path | str | None
    subtitles_at: Path | str | None
    content_hash: str
    media_hash: str
    text_hash: str
    fault: str
    subtitles_fault: str = ""
    unreachable: bool = False

    @property
    def has_content(self) -> bool:
        """Whether there is something to decode."""
        return bool(self.content_hash)


def take_inventory(
    tables: Tables, roots: Roots, hashes: HashCache, *, speech: str = "", reading: str = ""
) -> Iterator[list[Item]]:
    """Look at every video of the catalogue, newest first, `SLICE_VIDEOS` at a time.

    Cost: one `stat` a file that is known; a file that is new or changed is hashed.

    Args:
        tables: Has the catalogue.
        roots: Where files are looked for.
        hashes: Remembers what was hashed.
        reading: Fingerprint of who reads the words in pictures; "" where nobody does.
        speech: Fingerprint of who listens where there are no words; "" where nobody does.
    """
    videos = (
        tables.scan("videos")
        .sort("published_at", "video_id", descending=True, nulls_last=True)
        .select(COLUMNS)
        .collect()
    )
    for part in videos.iter_slices(SLICE_VIDEOS):
        references = pl.concat([part["media"], part["subtitles"]]).drop_nulls().unique().to_list()
        located = {reference: _locate(roots, reference) for reference in references if reference}
        hashed = hashes.hash_all(place for place, _ in located.values() if place is not None)
        yield [
            _item(row, located, hashed, speech=speech, reading=reading)
            for row in part.iter_rows(named=False)
        ]


Located = dict[str, tuple[Path | str | None, str]]


def _locate(roots: Roots, reference: str) -> tuple[Path | str | None, str]:
    try:
        return roots.locate(reference), ""
    except MediaError as err:
        return None, str(err)


def _item(
    row: tuple[object, ...],
    located: Located,
    hashed: dict[Path | str, str],
    *,
    speech: str,
    reading: str,
) -> Item:
    video_id, media, subtitles, *words = row
    text = compose(words)
    film, cues = _look_up(media, located, hashed), _look_up(subtitles, located, hashed)
    hashes = (film.content_hash, cues.content_hash)
    content_hash = _digest(*hashes) if media or subtitles else ""
    heard = speech if media and not subtitles else ""
    heard += f" read by {reading}" if media and reading else ""
    words_hash = _digest(content_hash, f"{WORDS_VERSION} {heard}") if content_hash else ""
    made_by = f"{ROW_VERSION} {PRINTS_VERSION} {heard}"
    return Item(
        video_id=str(video_id),
        text=text,
        media=str(media) if media else None,
        subtitles=str(subtitles) if subtitles else None,
        media_at=film.at,
        subtitles_at=cues.at,
        content_hash=content_hash,
        media_hash=_digest(content_hash, made_by) if content_hash else "",
        text_hash=_digest(text, words_hash),
        fault=film.fault,
        subtitles_fault=cues.fault,
        unreachable=any(part.startswith(f"!{why} ") for part in hashes for why in LEFT_OUT),
    )


@dataclass(frozen=True)
class _File:
    """What a reference leads to.

    Attributes:
        at: Where it is; None where it is nowhere.
        content_hash: Of its bytes; "" without a reference, and with `!` in front without a file.
        fault: What is wrong with the reference.
    """

    at: Path | str | None = None
    content_hash: str = ""
    fault: str = ""


def _look_up(reference: object, located: Located, hashed: dict[Path | str, str]) -> _File:
    if not reference:
        return _File()
    place, fault = located[str(reference)]
    if place is None:
        return _File(None, f"!{reference}", fault)
    content_hash = hashed[place]
    if content_hash.startswith("!"):
        return _File(place, f"{content_hash} {reference}")  # the decoder will say more
    return _File(place, content_hash)


def _digest(first: str, second: str) -> str:
    """Hash of two texts; the length in front keeps them apart."""
    return hashlib.sha256(f"{len(first)} {first}{second}".encode()).hexdigest()
