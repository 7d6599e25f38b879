"""Extract: decode what is new, encode what is missing, write it shard by shard.

Work that is done is never done again: a run that is killed costs at most one shard. Decoding runs
ahead in the guarded workers while the encoders work on the shard before.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import filelock

from kinoloop.data.commit import exclusive
from kinoloop.data.tables import Tables
from kinoloop.encoders import base as encoders
from kinoloop.errors import DataError, MediaError
from kinoloop.extraction import store
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Item, Roots, take_inventory
from kinoloop.extraction.pending import Space, Task, find_pending, make_spaces
from kinoloop.extraction.report import ExtractReport
from kinoloop.extraction.rows import Decoded, feature_rows, media_row, quarantine_row
from kinoloop.media.decoded import DecodedMedia, nothing
from kinoloop.media.guard import DecoderPool, Job
from kinoloop.media.hashes import HashCache

WRITER_WAIT_S = 3600.0
"""How long a shard waits for an ingest to commit, or for DVC to read the tables."""

logger = logging.getLogger(__name__)

T = TypeVar("T")
Progress = Callable[[int, int], None]


def extract(
    tables: Tables,
    config: ExtractConfig,
    *,
    roots: Roots,
    state_dir: Path,
    retry: bool = False,
    progress: Progress | None = None,
) -> ExtractReport:
    """Bring the tables `media` and `features` up to date with the table `videos`.

    Args:
        tables: The data directory.
        config: What to take and which encoders to run.
        roots: Where relative media references are looked for.
        state_dir: Where hashes are remembered and the lock is.
        retry: Whether to decode again what failed for a reason that may pass (`pending.PASSING`).
        progress: Called with (videos done, videos to do) after each shard.

    Returns:
        What was done, and what could not be.

    Raises:
        DataError: Another extraction is running.
        ConfigError: An encoder can not be loaded, or decoders do not start.
    """
    started = time.monotonic()
    lock = filelock.FileLock(state_dir / "extract.lock", timeout=config.lock_wait_s)
    state_dir.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire()
    except filelock.Timeout as err:
        raise DataError(
            f"another extraction holds {state_dir / 'extract.lock'} for more than "
            f"{config.lock_wait_s:.0f} s; wait until it has ended"
        ) from err
    with lock:
        hashes = HashCache(state_dir / "hashes.sqlite", max_bytes=config.decode.max_bytes)
        items = take_inventory(tables, roots, hashes)
        spaces = make_spaces([encoders.build(dict(e)) for e in config.encoders], config.decode)
        tasks = find_pending(tables, items, spaces, retry=retry)
        report = ExtractReport.start(len(items), len(tasks), spaces, hashed=hashes.computed)
        logger.info(
            "%d videos, %d to extract (%d files hashed)", len(items), len(tasks), hashes.computed
        )
        _run(tables, config, tasks=tasks, spaces=spaces, report=report, progress=progress)
        with exclusive(tables, timeout_s=WRITER_WAIT_S):
            for name in ("features", "media"):
                store.compact(tables, name, files=config.compact_files)
    report.seconds = time.monotonic() - started
    logger.info("extracted %d videos in %.1f s", report.done, report.seconds)
    return report


def _run(
    tables: Tables,
    config: ExtractConfig,
    *,
    tasks: Sequence[Task],
    spaces: Sequence[Space],
    report: ExtractReport,
    progress: Progress | None,
) -> None:
    opened = [task for task in tasks if task.needs_decoding(spaces)]
    unopened = [task for task in tasks if not task.needs_decoding(spaces)]
    started = time.monotonic()
    for shard in _shards(unopened, config.shard_texts):
        _finish(tables, [(task, None) for task in shard], spaces, report)
        _tell(report, started, progress)
    if not opened:
        return
    with DecoderPool(config.decode, config.guard) as pool:
        decoded = zip(opened, _decode_all(pool, [task.item for task in opened]), strict=True)
        for pairs in _shards(decoded, config.shard_videos):
            _finish(tables, pairs, spaces, report)
            _tell(report, started, progress)


def _finish(
    tables: Tables,
    pairs: Sequence[tuple[Task, Decoded | None]],
    spaces: Sequence[Space],
    report: ExtractReport,
) -> None:
    """Encode and commit one shard."""
    features, faults = feature_rows(pairs, spaces)
    fresh = [(task.item, decoded) for task, decoded in pairs if task.media_row and decoded]
    quarantined = [quarantine_row(item, reasons) for item, reasons in _refused(fresh, faults)]
    media = [media_row(item, decoded) for item, decoded in fresh]
    replaces = any(task.replaces for task, _ in pairs)
    with exclusive(tables, timeout_s=WRITER_WAIT_S):
        store.write(tables, "features", features, replaces=replaces)
        store.write(tables, "quarantine", quarantined, replaces=True)
        store.write(tables, "media", media, replaces=replaces)
    report.add(len(pairs), features, media)


def _refused(
    fresh: Iterable[tuple[Item, Decoded]], faults: Iterable[tuple[Item, str]]
) -> Iterator[tuple[Item, list[str]]]:
    for item, decoded in fresh:
        if decoded.error is not None:
            yield item, [str(decoded.error)]
    for item, fault in faults:
        yield item, [fault]


def _decode_all(pool: DecoderPool, items: Sequence[Item]) -> Iterator[Decoded]:
    """Decode in order; where the media fails, what the subtitles say is still read."""
    jobs = (
        Job(None if item.media and item.media_at is None else item.media_at, item.subtitles_at)
        for item in items
    )
    for item, result in zip(items, pool.map(jobs), strict=True):
        if isinstance(result, MediaError):
            yield Decoded(_words_only(pool, item), result)
        elif item.media and item.media_at is None:
            reason, _, detail = item.fault.partition(": ")
            yield Decoded(result, MediaError(reason, detail))
        else:
            yield Decoded(result, None)


def _words_only(pool: DecoderPool, item: Item) -> DecodedMedia:
    if item.subtitles_at is not None:
        try:
            return pool.decode(Job(None, item.subtitles_at))
        except MediaError as err:
            logger.warning("the subtitles of %s can not be read either: %s", item.video_id, err)
    return nothing(pool.decode_config)


def _shards(things: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(things)
    while shard := list(islice(iterator, size)):
        yield shard


def _tell(report: ExtractReport, started: float, progress: Progress | None) -> None:
    rate = report.done / max(time.monotonic() - started, 1e-9)
    left_s = (report.pending - report.done) / max(rate, 1e-9)
    logger.info(
        "%d of %d videos, %.1f a second, %.0f s left", report.done, report.pending, rate, left_s
    )
    if progress is not None:
        progress(report.done, report.pending)
