"""The plan of one run: what is missing, in shards, and the commits of those that are made.

Whoever runs the shards (this process, or Ray) holds a plan, and with it the lock of the extraction.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import WRITER_WAIT_S, exclusive
from kinoloop.errors import DataError
from kinoloop.extraction import reader, speech, store
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Roots, take_inventory
from kinoloop.extraction.pending import find_pending
from kinoloop.extraction.products import Product, make_products
from kinoloop.extraction.report import ExtractReport
from kinoloop.extraction.shard import Made, Shard, cut
from kinoloop.locks import held
from kinoloop.media.fetch import Fetcher
from kinoloop.media.hashes import HashCache

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass
class ExtractionPlan:
    """One run.

    Attributes:
        tables: Where rows go.
        config: Settings in force.
        products: All that is made of a video.
        shards: What to make, in the order of the commits.
        report: What was done so far.
        fetcher: Reads what is remote; knows which servers failed in this run.
        progress: Called with (videos done, videos to do) after each commit.
    """

    tables: Tables
    config: ExtractConfig
    products: list[Product]
    shards: list[Shard]
    report: ExtractReport
    fetcher: Fetcher
    progress: Progress | None = None
    _started: float = field(default_factory=time.monotonic)

    def commit(self, made: Made) -> None:
        """Write a shard; it counts when its last row is written."""
        with exclusive(self.tables, timeout_s=WRITER_WAIT_S):
            for name in store.in_order(made.frames):
                replaces = made.replaces or name == "quarantine"
                store.write(self.tables, name, made.frames[name], replaces=replaces)
        self.report.add(made)
        self._report_progress()

    def _report_progress(self) -> None:
        report = self.report
        rate = report.done / max(time.monotonic() - self._started, 1e-9)
        left_s = (report.pending - report.done) / max(rate, 1e-9)
        logger.info(
            "%d of %d videos, %.1f/s, %.0f s left", report.done, report.pending, rate, left_s
        )
        if self.progress is not None:
            self.progress(report.done, report.pending)


@contextmanager
def planned(
    tables: Tables,
    config: ExtractConfig,
    *,
    roots: Roots,
    state_dir: Path,
    retry: bool = False,
    progress: Progress | None = None,
) -> Iterator[ExtractionPlan]:
    """Find what is missing, and hold the lock while somebody makes it.

    Args:
        tables: The data directory.
        config: What to take and which encoders to run.
        roots: Where relative media references are looked for.
        state_dir: Where hashes are remembered and the lock is.
        retry: Whether to decode again what failed for a reason that may pass (`pending.PASSING`).
        progress: See `ExtractionPlan`.

    Raises:
        DataError: Another extraction is running.
        ConfigError: A setting is wrong, or names a model that is nowhere.
    """
    started = time.monotonic()
    lock = state_dir / "extract.lock"
    with held(lock, "extraction", wait_s=config.lock_wait_s, error=DataError):
        products = make_products(config)
        fetcher = Fetcher(config.access)
        hashes = HashCache(
            state_dir / "hashes.sqlite", max_bytes=config.decode.max_bytes, fetcher=fetcher
        )
        heard = speech.identify(config.speech)
        read = reader.identify(config.reading)
        slices = take_inventory(tables, roots, hashes, speech=heard, reading=read)
        found = find_pending(tables, slices, products, retry=retry)
        videos, tasks = found.videos, found.tasks
        logger.info("%d videos, %d to extract (%d hashed)", videos, len(tasks), hashes.computed)
        report = ExtractReport.start(videos, len(tasks), products, hashed=hashes.computed)
        report.unreachable = found.unreachable
        if tasks:
            with exclusive(tables, timeout_s=WRITER_WAIT_S):
                store.record_encoders(tables, products)
        shards = cut(tasks, products, sizes=(config.shard_texts, config.shard_videos))
        yield ExtractionPlan(tables, config, products, shards, report, fetcher, progress)
        if shards:
            with exclusive(tables, timeout_s=WRITER_WAIT_S):
                for name in sorted({"media", *(product.table for product in products)}):
                    store.compact(tables, name, files=config.compact_files)
        report.seconds = time.monotonic() - started
    logger.info("extracted %d videos in %.1f s", report.done, report.seconds)
    if report.left_out:
        logger.warning(
            "%d videos were left out: a server, a disk or this machine was too slow or away; the "
            "next run tries again",
            report.left_out,
        )
