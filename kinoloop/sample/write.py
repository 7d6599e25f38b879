"""Write the sample to a folder: clips and two batches in the format of the landing zone.

    OUT/media/v0001.mp4 …            clips, some with a .srt or .vtt beside them
    OUT/batches/01-history/          videos/*.parquet, events/*.parquet: all but the last days
    OUT/batches/02-last-week/        the new batch, with a few rows that ingestion must quarantine

User ids are raw (nobody is behind them), so that every installation pseudonymises with its own key.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kinoloop.errors import DataError
from kinoloop.sample import words
from kinoloop.sample.behaviour import simulate
from kinoloop.sample.clips import spread_cues, write_clip, write_side_file
from kinoloop.sample.looks import Shot, render_frames
from kinoloop.sample.sounds import render_sound
from kinoloop.sample.topics import STYLES, TOPICS
from kinoloop.sample.world import SampleConfig, SampleVideo, World, build_world
from kinoloop.schema import LANDING_EVENTS, LANDING_VIDEOS

logger = logging.getLogger(__name__)

HISTORY, LAST = "01-history", "02-last-week"
TRUNCATED_SHARE = 0.45  # of the bytes of the one clip whose upload broke off

Progress = Callable[[int, int], None]


def write_sample(
    out: Path, config: SampleConfig | None = None, *, progress: Progress | None = None
) -> World:
    """Write the whole sample.

    Args:
        out: An empty or missing folder.
        config: How large; the default is what `data.dvc` pins.
        progress: Called with (clips done, clips in all).

    Returns:
        The world that was written, for `Truth`.

    Raises:
        DataError: The folder has something in it.
    """
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out} is not empty; name a new folder, or remove what is in it first")
    world = build_world(config)
    media = out / "media"
    media.mkdir(parents=True)
    for done, video in enumerate(world.videos, start=1):
        write_media(media, world, video)
        if progress is not None:
            progress(done, len(world.videos))
    write_batches(out, world)
    logger.info("wrote %d clips and two batches to %s", len(world.videos), out)
    return world


def write_media(media: Path, world: World, video: SampleVideo) -> None:
    """Write one clip, and its subtitle file where it has one."""
    rng = np.random.default_rng([world.config.seed, 3, int(video.video_id[1:])])
    topic, style = TOPICS[video.topic], STYLES[video.style]
    cues = spread_cues(words.captions(topic, style, rng), video.seconds)
    shot = Shot(topic, style, video.size, video.fps, video.seconds, card=video.title)
    path = media / f"{video.video_id}.mp4"
    write_clip(
        path,
        render_frames(shot, rng),
        fps=video.fps,
        sound=render_sound(topic.name, style, video.seconds, rng) if video.sound else None,
        cues=cues if video.subtitles == "embedded" else (),
    )
    if _has_side_file(video):
        write_side_file(path.with_suffix(f".{video.subtitles}"), cues)
    if video.video_id == truncated_video(world):
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * TRUNCATED_SHARE)])


def write_batches(out: Path, world: World) -> None:
    """Write catalogue and events as two batches in the landing format."""
    videos, events = _catalogue(out / "media", world), simulate(world)
    boundary = world.config.at(world.config.history_days)
    for batch in (HISTORY, LAST):
        for kind in ("videos", "events"):
            (out / "batches" / batch / kind).mkdir(parents=True)
    old = pl.col("published_at") < boundary
    history, last = out / "batches" / HISTORY, out / "batches" / LAST
    _write(videos.filter(old), history / "videos" / "catalogue.parquet")
    _write(pl.concat([videos.filter(~old), _bad_videos()]), last / "videos" / "new.parquet")
    weeks = range((world.config.history_days + 6) // 7)
    for week in weeks:
        begin = world.config.at(7 * week)
        end = min(begin + timedelta(days=7), boundary)
        part = events.filter(pl.col("timestamp").is_between(begin, end, closed="left"))
        _write(part, history / "events" / f"week-{week + 1:02d}.parquet")
    fresh = events.filter(pl.col("timestamp") >= boundary)
    _write(pl.concat([fresh, _bad_events(fresh)]), last / "events" / "last-week.parquet")


def truncated_video(world: World) -> str:
    """Name the one new video whose file is cut short."""
    return max(world.videos, key=lambda video: video.published).video_id


def _catalogue(media: Path, world: World) -> pl.DataFrame:
    """All videos, oldest first, columns of `LANDING_VIDEOS`."""
    rows: list[dict[str, Any]] = []
    for video in world.videos:
        side = media / f"{video.video_id}.{video.subtitles}"
        rows.append(
            {
                "video_id": video.video_id,
                "title": video.title,
                "description": video.description,
                "language": "en",
                "category": TOPICS[video.topic].category,
                "tags": video.tags,
                "creator_id": world.creators[video.creator],
                "published_at": world.config.at(video.published),
                "duration_s": video.seconds,
                "media": _reference(media / f"{video.video_id}.mp4"),
                "subtitles": _reference(side) if _has_side_file(video) else None,
            }
        )
    return pl.DataFrame(rows, schema=LANDING_VIDEOS)


def _bad_videos() -> pl.DataFrame:
    """Two rows that ingestion must quarantine."""
    broken: list[dict[str, Any]] = [
        {"video_id": "v9001", "title": None, "description": "An upload form that was sent empty."},
        {"video_id": "v9002", "title": "A clip of negative length", "duration_s": -4.0},
    ]
    return pl.DataFrame(broken, schema=LANDING_VIDEOS)


def _bad_events(fresh: pl.DataFrame) -> pl.DataFrame:
    """Six rows that ingestion must quarantine, one that it must hold, two that it has seen."""
    spoils: list[dict[str, Any]] = [
        {"video_id": "v9999"},
        {"timestamp": datetime(2099, 1, 1, tzinfo=UTC)},
        {"timestamp": datetime(1961, 4, 12, tzinfo=UTC)},
        {"event": "clicked"},
        {"watch_s": -3.0},
        {"watch_s": 4000.0},
        {"user_id": None},
    ]
    views = fresh.filter(pl.col("event") == "view")
    good = views.head(len(spoils)).to_dicts()
    bad = [
        row | spoil | {"event_id": f"bad{number}"}
        for number, (row, spoil) in enumerate(zip(good, spoils, strict=True), start=1)
    ]
    return pl.concat([pl.DataFrame(bad, schema=LANDING_EVENTS), fresh.head(2)])


def _has_side_file(video: SampleVideo) -> bool:
    return video.subtitles in {"srt", "vtt"}


def _reference(path: Path) -> str:
    """Name a path as the catalogue does: from the working directory where it lies below it."""
    absolute = path.resolve()
    here = Path.cwd()
    return (absolute.relative_to(here) if absolute.is_relative_to(here) else absolute).as_posix()


def _write(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd", statistics=False)
