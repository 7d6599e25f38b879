"""Validate a batch: stream its files through the rules into a staging directory.

Nothing under the data directory changes here, and no raw user id is written: what is staged is
pseudonymised. A file that breaks its contract is set aside with its reasons; the others are staged.
"""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import cache, partial
from pathlib import Path

import fsspec
import polars as pl

from kinoloop.data.ids import BLANKS
from kinoloop.data.key import check_key
from kinoloop.data.label_names import known_names
from kinoloop.data.tables import Tables
from kinoloop.errors import BatchError
from kinoloop.ingestion.batch import (
    FileCounts,
    Staged,
    batch_id_of,
    check_balance,
    check_file,
)
from kinoloop.ingestion.conform import check_columns
from kinoloop.ingestion.containment import blamed_on
from kinoloop.ingestion.deduplicate import known_videos, publish_events, publish_videos
from kinoloop.ingestion.landing import LandingFile, stamp_of
from kinoloop.ingestion.reading import read_chunks, read_columns
from kinoloop.ingestion.rule import IngestConfig, Limits
from kinoloop.ingestion.rules import RULES, masks, rules_of
from kinoloop.ingestion.set_aside import WHOLE_SOURCE, SetAside, source_of
from kinoloop.ingestion.stage_rows import (
    Observe,
    Stage,
    quarantine_malformed,
    stage_events,
    stage_videos,
)
from kinoloop.ingestion.volume import check_volume, folder_of, volumes
from kinoloop.privacy.pseudonyms import Pseudonyms

logger = logging.getLogger(__name__)

STAGED_AGAINST = ("videos", "events", "batches")
VIDEO_CHUNK_ROWS = 100_000  # videos carry descriptions, events rarely do
_STEPS = {"videos": stage_videos, "events": stage_events}


def nobody(kind: str, frame: object) -> None:
    """Look away: an `Observe` that does nothing."""


def stage_batch(
    files: fsspec.AbstractFileSystem,
    arrived: Sequence[LandingFile],
    tables: Tables,
    *,
    pseudonyms: Pseudonyms,
    config: IngestConfig,
    directory: Path,
    now: datetime,
    observer: Callable[[], Observe] = lambda: nobody,
    any_volume: bool = False,
    standing: Sequence[SetAside] = (),
) -> Staged:
    """Validate and stage the files of one batch.

    A file that breaks its contract is set aside, and the others are staged without it, from the
    start: what they hold is judged by what will be there.

    Args:
        files: Filesystem of the landing zone.
        arrived: What to ingest.
        tables: What is known already.
        pseudonyms: Of the users.
        config: Section `ingest`.
        directory: Where to stage; emptied first, and removed again where nothing is left to commit.
        now: The present time; events after it are in the future.
        observer: Makes what sees every checked chunk of one attempt.
        any_volume: Accept a collapse of volume.
        standing: Files that were set aside before and did not change.

    Returns:
        The staged batch; what was set aside has its reasons there.

    Raises:
        ConfigError: The tables were written under another pseudonym key, or a rule has no name.
    """
    check_key(tables, pseudonyms)
    for kind in _STEPS:
        rules_of(kind, config)  # a rule that settings name wrongly must not wait for its first row
    left = list(arrived)
    aside = _aside(_check_structure(files, left), left, config)
    with ExitStack() as on_failure:
        on_failure.callback(shutil.rmtree, directory, ignore_errors=True)
        while True:
            left = [file for file in left if file.file not in {one.file for one in aside}]
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            stage = Stage(
                batch_id=batch_id_of(left),
                directory=directory,
                limits=Limits(config, now),
                pseudonyms=pseudonyms,
                observe=observer(),
                known=known_videos(tables),
                labels=cache(partial(known_names, tables)),
                promised=_promised(files, [*standing, *aside]),
            )
            against = {name: tables.version(name) for name in STAGED_AGAINST}
            counts = [
                FileCounts(file=f.file, kind=f.kind, digest=f.digest, landed_at=f.landed_at)
                for f in left
            ]
            broken, warnings = _attempt(stage, files, left, counts, tables, any_volume=any_volume)
            if not broken:
                break
            aside += _aside(broken, left, config)
        if left:
            on_failure.pop_all()
    staged = Staged(
        batch_id=stage.batch_id,
        directory=directory,
        files=counts,
        set_aside=aside,
        warnings=warnings,
        severities={rule.name: config.severity(rule) for rule in RULES},
        against=against,
        key_id=pseudonyms.key_id,
    )
    for one in aside:
        logger.info("%s", one.message)  # the flow tells it once, by its result
    logger.info("batch %s: %d rows staged", staged.batch_id, staged.total("rows"))
    return staged


def _attempt(
    stage: Stage,
    files: fsspec.AbstractFileSystem,
    left: Sequence[LandingFile],
    counts: Sequence[FileCounts],
    tables: Tables,
    *,
    any_volume: bool,
) -> tuple[dict[str, BatchError], list[str]]:
    """Stage and publish; which files break, by name, and warnings. Videos go before events."""
    warnings: list[str] = []
    for kind, publish in (("videos", publish_videos), ("events", publish_events)):
        broken: dict[str, BatchError] = {}
        for index, file in enumerate(left):
            if file.kind == kind:
                try:
                    with blamed_on(file.file):
                        _stage_file(stage, files, file, counts=counts[index], index=index)
                    check_file(counts[index], stage.limits.config)
                except BatchError as err:
                    broken[file.file] = err
        volume = volumes([c for c in counts if c.kind == kind], tables, stage.limits.config)
        stage.observe("volume", volume.with_columns(masks("volume", stage.limits)))
        if not any_volume:
            notes, collapsed = check_volume(volume, stage.limits)
            warnings += notes
            for file in left:
                if file.kind == kind and folder_of(file.file) in collapsed:
                    broken.setdefault(file.file, collapsed[folder_of(file.file)])
        if broken:  # events are judged when it is known which videos there are
            return broken, []
        publish(stage, tables, counts)
    check_balance(counts)
    return {}, warnings


def _check_structure(
    files: fsspec.AbstractFileSystem, arrived: Sequence[LandingFile]
) -> dict[str, BatchError]:
    """Look at the columns of every file before the first row is staged."""
    broken: dict[str, BatchError] = {}
    for file in arrived:
        try:
            with blamed_on(file.file):
                columns = read_columns(files, file.path)
            check_columns(columns, kind=file.kind, file=file.file)
        except BatchError as err:
            broken[file.file] = err
    return broken


def _aside(
    broken: Mapping[str, BatchError], left: Sequence[LandingFile], config: IngestConfig
) -> list[SetAside]:
    """List what breaks, and the other files of sources that commit whole or not at all."""
    found = [SetAside.of(file, broken[file.file]) for file in left if file.file in broken]
    sources = {source: one for one in found if (source := source_of(one.file, config.whole))}
    for file in left:
        source = source_of(file.file, config.whole)
        if source in sources and file.file not in broken:
            cause = sources[source]
            hint = f"{source} commits whole or not at all ([ingest] whole): see {cause.file}."
            err = BatchError(file=file.file, column="", check=WHOLE_SOURCE, count=1, hint=hint)
            found.append(SetAside.of(file, err))
    return found


def _promised(files: fsspec.AbstractFileSystem, aside: Sequence[SetAside]) -> pl.Series:
    """Ids of videos in files that are set aside, as far as these can be read."""
    ids = [pl.Series("video_id", [], dtype=pl.String)]
    for one in aside:
        if one.kind == "videos":
            with suppress(BatchError), blamed_on(one.file):
                chunks = read_chunks(files, one.path)
                frames = (c.frame for c in chunks if "video_id" in c.frame.columns)
                ids.extend(f["video_id"].cast(pl.String, strict=False) for f in frames)
    return pl.concat(ids).str.strip_chars(BLANKS).unique()


def _stage_file(
    stage: Stage,
    files: fsspec.AbstractFileSystem,
    file: LandingFile,
    *,
    counts: FileCounts,
    index: int,
) -> None:
    rows = stage.limits.config.chunk_rows
    if file.kind == "videos":
        rows = min(rows, VIDEO_CHUNK_ROWS)
    for chunk in read_chunks(files, file.path, rows=rows):
        _STEPS[file.kind](stage, chunk, counts=counts, index=index)
        if chunk.malformed:
            quarantine_malformed(stage, chunk, kind=file.kind, counts=counts)
    try:
        unchanged = stamp_of(files, file.path) == file.stamp
    except FileNotFoundError:
        unchanged = False
    if not unchanged:
        raise BatchError(
            file=file.file,
            column="",
            check="unchanged",
            count=1,
            hint="It was written to or moved while it was read. Write landing files under another "
            "name first and rename them; then run ingest again.",
        )
