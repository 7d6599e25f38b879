"""Decode untrusted files in processes of their own: whatever a file does, the parent goes on.

Each worker is a fresh Python process (not a fork of a process with threads and models) with a
memory limit and a CPU limit; one that makes no progress is killed (see `process`). After a fault,
or after `files_per_worker` files, it is replaced. Starting one costs about 0.4 s; a file costs one
message each way over pipes. Only an answer in JSON and raw arrays comes back (see `wire`).

A file whose worker died is tried once more: it may not have been the file. What then still does
harm is read without its subtitle file, its sound, its embedded words or its pictures, so that the
rest of it is not lost.

Not covered: no sandbox of system calls. Run the service as a user who may read only what it needs.
"""

import queue
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from kinoloop.errors import MediaError
from kinoloop.media.decoded import DecodeConfig, DecodedMedia
from kinoloop.media.fetch import Fetcher
from kinoloop.media.language import detect_language
from kinoloop.media.process import DecoderProcess, GuardConfig, Order
from kinoloop.media.reasons import LEFT_OUT
from kinoloop.media.subtitles import MAX_BYTES as MAX_SUBTITLE_BYTES

_AGAIN = frozenset(("crashed", "killed"))
"""Ends of a worker that may not be the file's fault."""

_SALVAGE: dict[str, tuple[str, ...]] = {
    "crashed": ("subtitle file", "sound", "words", "pictures"),
    "timeout": ("subtitle file", "pictures", "sound"),
    "memory": ("subtitle file", "pictures", "sound"),
    "too_many_pixels": ("pictures",),
}
"""What is left out in turn, by reason, to save the rest."""


@dataclass(frozen=True)
class Job:
    """What one worker is asked to decode: files, or URLs that are copied to a file first."""

    media: Path | str | None
    subtitles: Path | str | None = None


class DecoderPool:
    """Decodes files in guarded processes; safe to use from several threads.

    Args:
        decode: What is taken from a file.
        guard: What a worker may use.
        fetcher: Copies what is remote.
    """

    def __init__(
        self,
        decode: DecodeConfig | None = None,
        guard: GuardConfig | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self.decode_config = decode or DecodeConfig()
        self.guard = guard or GuardConfig()
        self._fetcher = fetcher or Fetcher()
        processes = self.guard.processes
        self._idle: queue.LifoQueue[DecoderProcess] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(DecoderProcess(self.decode_config, self.guard))
        # A worker dies with the thread that started it, so these threads live as long as the pool.
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="decoder")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def submit(self, job: Job) -> "Future[DecodedMedia]":
        """Start decoding; the future raises `MediaError` where it fails."""
        return self._threads.submit(self._run, job)

    def decode(self, job: Job) -> DecodedMedia:
        """Decode one file and wait.

        Raises:
            MediaError: It cannot be decoded, or did harm to its worker.
        """
        return self.submit(job).result()

    def map(self, jobs: Iterable[Job], *, ahead: int = 0) -> Iterator[DecodedMedia | MediaError]:
        """Decode many files, in order.

        Args:
            jobs: What to decode.
            ahead: How many are decoded, or being decoded, and not yet taken: the bound of the
                queue; never less than two a worker.
        """
        pending: deque[Future[DecodedMedia]] = deque()
        bound = max(ahead, 2 * self.guard.processes)
        for job in jobs:
            pending.append(self.submit(job))
            if len(pending) >= bound:
                yield _outcome(pending.popleft())
        while pending:
            yield _outcome(pending.popleft())

    def close(self) -> None:
        """End all workers."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().stop()

    def _run(self, job: Job) -> DecodedMedia:
        worker = self._idle.get()
        try:
            with ExitStack() as copies:
                media = self._local(job.media, copies, self.decode_config.max_bytes)
                fault: MediaError | None = None
                try:
                    subtitles = self._local(job.subtitles, copies, MAX_SUBTITLE_BYTES)
                except MediaError as err:
                    if media is None:
                        raise
                    subtitles, fault = None, err
                found = _decode(worker, Order(media, subtitles))
        finally:
            self._idle.put(worker)
        if fault is not None:
            found = without_subtitles(found, fault)
        return replace(found, language=detect_language(found.words))

    def _local(self, place: Path | str | None, copies: ExitStack, max_bytes: int) -> Path | None:
        if isinstance(place, str):
            return copies.enter_context(self._fetcher.downloaded(place, max_bytes=max_bytes))
        return place


def without_subtitles(found: DecodedMedia, fault: MediaError) -> DecodedMedia:
    """Return what was found, noting that the subtitle file beside it could not be had."""
    if found.reason:
        return found
    reason = fault.reason if fault.reason in LEFT_OUT else "subtitles_unreadable"
    return replace(found, reason=reason, detail=f"its subtitles: {fault}")


def _decode(worker: DecoderProcess, order: Order) -> DecodedMedia:
    """Decode; once more where the worker died, and then without what does harm."""
    try:
        return worker.decode(order)
    except MediaError as err:
        fault = err
    if fault.reason in _AGAIN:
        try:
            return worker.decode(order)
        except MediaError as err:
            fault = err
    if order.media is not None:
        for part in _SALVAGE.get(fault.reason, ()):
            if part != "subtitle file":
                less = replace(order, without=part)
            elif order.subtitles is not None:
                less = replace(order, subtitles=None)
            else:
                continue
            try:
                found = worker.decode(less)
            except MediaError:
                continue
            said = f"it is read without its {part}: {fault.detail}"
            return replace(found, reason=fault.reason, detail=said)
    raise fault


def _outcome(future: "Future[DecodedMedia]") -> DecodedMedia | MediaError:
    try:
        return future.result()
    except MediaError as err:
        return err
