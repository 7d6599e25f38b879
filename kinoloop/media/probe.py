"""What each of many files is and what can be read of it, media and subtitles alike.

A file is tried as what its name says and, where that fails, as what it may be instead: subtitles
named .mp4 and videos named .srt are read as what they are.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinoloop.errors import MediaError
from kinoloop.media.decoded import DecodedMedia
from kinoloop.media.guard import DecoderPool, Job
from kinoloop.media.subtitles import SUFFIXES

NO_MEDIA = frozenset(("not_media", "not_text"))
"""Refusals that say "this is something else": worth another look."""


@dataclass(frozen=True)
class Probe:
    """One file, as an operator wants to see it.

    Attributes:
        path: As it was named.
        outcome: `ok`, `partial` or `quarantined`.
        reason: Code of what is wrong; "" where nothing is.
        detail: What was seen.
        duration_s: Measured, seconds.
        streams: Codec names; of a subtitle file its format.
        width: Of the upright picture, pixels.
        height: Likewise.
        frames: Pictures kept.
        sound_s: Seconds of sound read.
        cues: Subtitle cues read.
        language: Of the words; "" where there are too few to tell.
        seconds: Wall time that it took.
        peak_memory_mb: Of the process that read it; 0 where it never got to one, or died.
    """

    path: str
    outcome: str
    reason: str
    detail: str
    duration_s: float = 0.0
    streams: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    frames: int = 0
    sound_s: float = 0.0
    cues: int = 0
    language: str = ""
    seconds: float = 0.0
    peak_memory_mb: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def probe_all(pool: DecoderPool, files: Sequence[Path]) -> Iterator[Probe]:
    """Look at files, in order, as many at a time as the pool has workers."""
    with ThreadPoolExecutor(pool.guard.processes) as threads:
        yield from threads.map(lambda file: probe(pool, file), files)


def probe(pool: DecoderPool, file: Path) -> Probe:
    """Look at one file; never raises for what is in it."""
    place = file.absolute()
    jobs = [Job(place), Job(None, place)]
    if file.suffix.lower() in SUFFIXES:
        jobs.reverse()
    first = _attempt(pool, jobs[0], file)
    if first.reason not in NO_MEDIA:
        return first
    second = _attempt(pool, jobs[1], file)
    return first if second.outcome == "quarantined" else second


def list_files(paths: Iterable[Path]) -> list[Path]:
    """Files as named, folders as all that is in them; links to folders are not followed."""
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            files += [Path(folder, name) for name in sorted(names)]
    return files


def _attempt(pool: DecoderPool, job: Job, file: Path) -> Probe:
    try:
        found: DecodedMedia = pool.decode(job)
    except MediaError as err:
        return Probe(
            path=str(file),
            outcome="quarantined",
            reason=err.reason,
            detail=err.detail,
            seconds=round(err.seconds, 3),
            peak_memory_mb=round(err.peak_memory_mb, 1),
        )
    return Probe(
        path=str(file),
        outcome="partial" if found.reason else "ok",
        reason=found.reason,
        detail=found.detail,
        duration_s=round(found.duration_s, 3),
        streams=found.streams,
        width=found.width,
        height=found.height,
        frames=len(found.frames),
        sound_s=round(found.sound_s, 3),
        cues=found.cue_count,
        language=found.language,
        seconds=round(found.seconds, 3),
        peak_memory_mb=round(found.peak_memory_mb, 1),
    )
