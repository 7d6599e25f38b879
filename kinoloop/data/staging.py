"""Validate a batch: stream its files through the rules into a staging directory.

Nothing under the data directory changes here, and no raw user id is written: what is staged is
pseudonymised. Every file is looked at before the first row is staged, so that one error can name
all files that lack a column.
"""

import logging
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import fsspec

from kinoloop.data.batch import (
    FileCounts,
    Staged,
    batch_id_of,
    check_balance,
    check_file,
)
from kinoloop.data.conform import check_columns
from kinoloop.data.deduplicate import known_videos, publish_events, publish_videos
from kinoloop.data.key import check_key
from kinoloop.data.landing import LandingFile, stamp_of
from kinoloop.data.reading import read_chunks, read_columns
from kinoloop.data.rule import IngestConfig, Limits
from kinoloop.data.rules import RULES, masks, rules_of
from kinoloop.data.stage_rows import (
    Observe,
    Stage,
    quarantine_malformed,
    stage_events,
    stage_videos,
)
from kinoloop.data.tables import Tables
from kinoloop.data.volume import check_volume, volumes
from kinoloop.errors import BatchError
from kinoloop.privacy.pseudonyms import Pseudonyms

logger = logging.getLogger(__name__)

STAGED_AGAINST = ("videos", "events", "batches")
VIDEO_CHUNK_ROWS = 100_000  # videos carry descriptions, events rarely do
_STEPS = {"videos": stage_videos, "events": stage_events}


def nobody(kind: str, frame: object) -> None:
    """An `Observe` that looks away."""


def stage_batch(
    files: fsspec.AbstractFileSystem,
    arrived: Sequence[LandingFile],
    tables: Tables,
    *,
    pseudonyms: Pseudonyms,
    config: IngestConfig,
    directory: Path,
    now: datetime,
    observe: Observe = nobody,
    any_volume: bool = False,
) -> Staged:
    """Validate and stage the files of one batch.

    Args:
        files: Filesystem of the landing zone.
        arrived: What to ingest.
        tables: What is known already.
        pseudonyms: Of the users.
        config: Section `ingest`.
        directory: Where to stage; emptied first, and removed again when the batch is refused.
        now: The present time; events after it are in the future.
        observe: Sees every checked chunk.
        any_volume: Accept a collapse of volume.

    Returns:
        The staged batch.

    Raises:
        BatchError: The batch as a whole is refused.
        ConfigError: The tables were written under another pseudonym key.
    """
    check_key(tables, pseudonyms)
    for kind in _STEPS:
        rules_of(kind, config)  # a rule that settings name wrongly must not wait for its first row
    stage = Stage(
        batch_id=batch_id_of(arrived),
        directory=directory,
        limits=Limits(config, now),
        pseudonyms=pseudonyms,
        observe=observe,
        known=known_videos(tables),
    )
    against = {name: tables.version(name) for name in STAGED_AGAINST}
    counts = [FileCounts(file=f.file, kind=f.kind, digest=f.digest) for f in arrived]
    with ExitStack() as on_failure:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        on_failure.callback(shutil.rmtree, directory, ignore_errors=True)
        _check_structure(files, arrived)
        for kind, publish in (("videos", publish_videos), ("events", publish_events)):
            for index, file in enumerate(arrived):
                if file.kind == kind:
                    _stage_file(stage, files, file, counts=counts[index], index=index)
            publish(stage, tables, counts)
        check_balance(counts)
        for file_counts in counts:
            check_file(file_counts, config)
        volume = volumes(counts, tables, config)
        observe("volume", volume.with_columns(masks("volume", stage.limits)))
        warnings = [] if any_volume else check_volume(volume, stage.limits)
        on_failure.pop_all()
    staged = Staged(
        batch_id=stage.batch_id,
        directory=directory,
        files=counts,
        warnings=warnings,
        severities={rule.name: config.severity(rule) for rule in RULES},
        against=against,
        key_id=pseudonyms.key_id,
    )
    logger.info("batch %s: %d rows staged", staged.batch_id, staged.total("rows"))
    return staged


def _check_structure(files: fsspec.AbstractFileSystem, arrived: Sequence[LandingFile]) -> None:
    """Look at the columns of every file; the first failure is raised and names the other files."""
    failures: list[BatchError] = []
    for file in arrived:
        try:
            check_columns(read_columns(files, file.path), kind=file.kind, file=file.file)
        except BatchError as err:
            failures.append(_named(err, file))
    if not failures:
        return
    first, *others = failures
    if others:
        named = "; ".join(f"{err.file}: {err.check} {err.column}".strip() for err in others)
        first = _replaced(first, hint=f"{first.hint} Refused too: {named}.")
    raise first


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
    try:
        for chunk in read_chunks(files, file.path, rows=rows):
            _STEPS[file.kind](stage, chunk, counts=counts, index=index)
            if chunk.malformed:
                quarantine_malformed(stage, chunk, kind=file.kind, counts=counts)
    except BatchError as err:
        raise _named(err, file) from err
    if stamp_of(files, file.path) != file.stamp:
        raise BatchError(
            file=file.file,
            column="",
            check="unchanged",
            count=1,
            hint="It was written to while it was read. Write landing files under another name "
            "first and rename them; then run ingest again.",
        )


def _named(err: BatchError, file: LandingFile) -> BatchError:
    """The same error, naming the file as the operator knows it: below the landing zone."""
    return _replaced(err, file=file.file)


def _replaced(err: BatchError, **changes: str) -> BatchError:
    facts = {
        "file": err.file,
        "column": err.column,
        "check": err.check,
        "hint": err.hint,
        **changes,
    }
    return BatchError(count=err.count, **facts)
