"""What was shown: every place of every answer, on its way to the landing zone.

A request only puts its answer into a queue (a microsecond). Once a second a thread appends what
waits to a spool file of this worker; now and then the spool becomes a Parquet file of the landing
zone, `events/impressions/…`, from where ingest takes it like feedback. A place is named by its
request and position, so that a file that a killed export writes again changes nothing.

Everything is bounded: the queue by answers, the spool by bytes. What does not fit, because the
machine is too busy or the disk full, is counted (`kinoloop_impressions`) and reported; no answer
fails for it. A kill -9 costs what the queue held, about a second.

Users are pseudonyms here and in the files: no raw user id is written.
"""

import contextlib
import fcntl
import hashlib
import io
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
import polars as pl
from filelock import FileLock, Timeout

from kinoloop.ingestion.landing import open_landing, sweep, write
from kinoloop.schema import ANSWER_COLUMNS
from serving import metrics

logger = logging.getLogger(__name__)

FOLDER = "events/impressions"
SAY_EVERY_S = 60.0  # a line for each loss would fill the disk that is full
OPEN, READY = ".open", ".jsonl"


class Answer(NamedTuple):
    """One answer as it was given; its lists have one entry per place.

    Attributes:
        request_id: Of the answer.
        pseudonym: Of the user; None where nobody was named.
        timestamp: µs since the epoch, UTC.
        surface: Where it was shown.
        device: On what; None where unknown.
        context: Of the request, as JSON; None without one.
        model_version: Of the model.
        catalogue_version: Of its catalogue.
        policy: Which rule chose the places.
        arm: Of an experiment; None outside of one.
        videos: External ids, best first.
        scores: Of the places.
        propensities: Chance that the policy shows this video at this place.
        reasons: Why each is there.
        rules: Codes of what moved each, with commas between; empty where nothing moved any.
    """

    request_id: str
    pseudonym: str | None
    timestamp: int
    surface: str
    device: str | None
    context: str | None
    model_version: str
    catalogue_version: str
    policy: str
    arm: str | None
    videos: Sequence[str]
    scores: Sequence[float]
    propensities: Sequence[float]
    reasons: Sequence[str]
    rules: Sequence[str] = ()


class Impressions:
    """Records answers and exports them.

    Args:
        folder: Of the spool; shared by all workers.
        landing: Folder or fsspec URL of the landing zone.
        max_answers: In the queue.
        max_bytes: Of the spool of all workers.
        max_rows: Of one landing file, about.

    Attributes:
        observe: Called with the answers of about a second, from the thread that spools them.
    """

    def __init__(
        self, folder: Path, landing: str, *, max_answers: int, max_bytes: int, max_rows: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._max_answers, self._max_bytes, self._max_rows = max_answers, max_bytes, max_rows
        self._waiting: deque[Answer] = deque()
        self._files, self._root = open_landing(landing)
        sweep(self._files, f"{self._root}/{FOLDER}")
        self._lock = FileLock(folder / "export.lock", mode=0o600)
        self._segment: _Segment | None = None
        self._lost, self._said = 0, -SAY_EVERY_S
        self.observe: Callable[[Sequence[Answer]], None] = _unobserved

    def record(self, answer: Answer) -> None:
        """Remember an answer; called in the request, from one thread."""
        if len(self._waiting) < self._max_answers:
            self._waiting.append(answer)
        else:
            self._lose(len(answer.videos), "queue_full")

    def flush(self) -> None:
        """Append what waits to the spool."""
        if not self._waiting:
            return
        answers = [self._waiting.popleft() for _ in range(len(self._waiting))]
        places = sum(len(answer.videos) for answer in answers)
        self.observe(answers)
        try:
            used = sum(path.stat().st_size for path in self._spool())
            if used >= self._max_bytes:
                self._lose(places, "spool_full")
                return
            self._segment = self._segment or _Segment(self.folder)
            self._segment.append(answers)
        except OSError as err:
            self._lose(places, "disk", err)
        else:
            metrics.IMPRESSIONS.labels("recorded").inc(places)

    def export(self) -> int:
        """Bring the spool to the landing zone; how many places. 0 where another process is at it.

        Raises:
            OSError: The landing zone takes no file; the spool stays.
        """
        if self._segment is not None:
            self._segment.close()
            self._segment = None
        places = 0
        try:
            with self._lock.acquire(blocking=False):
                _adopt(self.folder)
                for group in _groups(sorted(self.folder.glob(f"*{READY}")), self._max_rows):
                    places += self._export(group)
        except Timeout:
            return 0
        metrics.IMPRESSIONS.labels("exported").inc(places)
        return places

    def close(self) -> None:
        """Spool what waits; the next export brings it on."""
        self.flush()

    def _export(self, segments: "list[tuple[Path, list[Answer]]]") -> int:
        answers = [answer for _, lines in segments for answer in lines]
        if answers:
            rows = _rows(answers)
            name = hashlib.sha256("".join(a.request_id for a in answers).encode()).hexdigest()[:24]
            content = io.BytesIO()
            rows.write_parquet(content)
            path = f"{self._root}/{FOLDER}/impressions-{name}.parquet"
            write(self._files, path, content.getvalue(), mode=0o600)
        for path_of_segment, _ in segments:
            path_of_segment.unlink(missing_ok=True)
        return sum(len(answer.videos) for answer in answers)

    def _spool(self) -> list[Path]:
        return [p for p in self.folder.iterdir() if p.suffix in {OPEN, READY}]

    def _lose(self, places: int, why: str, err: OSError | None = None) -> None:
        metrics.IMPRESSIONS.labels(why).inc(places)
        self._lost += places
        if time.monotonic() - self._said >= SAY_EVERY_S:
            logger.error(
                "%d shown places since the last such line were not recorded (%s%s); free the disk, "
                "or raise [serving] impressions_queue or impressions_mb",
                self._lost,
                why,
                f": {err}" if err else "",
            )
            self._lost, self._said = 0, time.monotonic()


class _Segment:
    """The spool file of a worker: locked while it is written, so that nobody takes it away."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{OPEN}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._descriptor = os.open(self._path, flags, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def append(self, answers: Sequence[Answer]) -> None:
        """Write answers, one line each, all or (as far as the disk lets) none."""
        content = b"".join(orjson.dumps(tuple(a)) + b"\n" for a in answers)
        size = os.fstat(self._descriptor).st_size
        try:
            written = 0
            while written < len(content):
                written += os.write(self._descriptor, content[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise

    def close(self) -> None:
        """Hand it over to the export."""
        self._path.rename(self._path.with_suffix(READY))
        os.close(self._descriptor)


def _unobserved(_: Sequence[Answer]) -> None:
    """Nobody looks."""


def _adopt(folder: Path) -> None:
    """Hand over what workers that died left open: their locks died with them."""
    for path in sorted(folder.glob(f"*{OPEN}")):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its worker lives
            path.rename(path.with_suffix(READY))


def _groups(segments: Sequence[Path], max_rows: int) -> Iterator[list[tuple[Path, list[Answer]]]]:
    """Yield segments with what they hold, in groups of about `max_rows` places."""
    group: list[tuple[Path, list[Answer]]] = []
    rows = 0
    for path in segments:
        answers = _read(path)
        group.append((path, answers))
        rows += sum(len(answer.videos) for answer in answers)
        if rows >= max_rows:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _read(path: Path) -> list[Answer]:
    """Return what a segment holds; a line that a kill cut off is passed over."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(Answer(*orjson.loads(line)))
        except (ValueError, TypeError):
            logger.warning("%s: a line is damaged and was passed over", path.name)
    return found


def _rows(answers: Sequence[Answer]) -> pl.DataFrame:
    """One row per place, columns of the landing zone."""
    columns = dict(zip(Answer._fields, zip(*answers, strict=True), strict=True))
    lengths = np.array([len(videos) for videos in columns["videos"]])
    columns["rules"] = tuple(
        rules or ("",) * n for rules, n in zip(columns["rules"], lengths.tolist(), strict=True)
    )
    places = {
        name: pl.Series(list(chain.from_iterable(columns.pop(of))), dtype=dtype)
        for of, (name, dtype) in _OF_PLACES.items()
    }
    rows = pl.DataFrame(columns, schema=_OF_ANSWERS)[np.repeat(np.arange(len(answers)), lengths)]
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return rows.with_columns(position=np.arange(len(rows)) - first, **places).with_columns(
        pl.from_epoch("timestamp", time_unit="us").dt.replace_time_zone("UTC"),
        event_id=pl.format("{}:{}", "request_id", "position"),
        user_id=pl.lit(None, pl.String),
        event=pl.lit("impression"),
    )


_OF_PLACES = {
    "videos": ("video_id", pl.String),
    "scores": ("score", ANSWER_COLUMNS["score"]),
    "propensities": ("propensity", ANSWER_COLUMNS["propensity"]),
    "reasons": ("reason", pl.String),
    "rules": ("rules", pl.String),
}
_OF_ANSWERS = {
    **{name: pl.String for name in Answer._fields if name not in _OF_PLACES},
    "timestamp": pl.Int64,
}
