"""Decode untrusted files in processes of their own: whatever a file does, the parent goes on.

Each worker is a fresh Python process (not a fork of a process with threads and models) with a
memory limit, a CPU limit and a wall clock that ends in SIGKILL. After a fault, or after
`files_per_worker` files, it is replaced. Starting one costs about 0.4 s; a file costs one message
each way over pipes. Only an answer in JSON and raw arrays comes back (see `wire`).

Not covered: no sandbox of system calls. Run the service as a user who may read only what it needs.
"""

import json
import logging
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import Field

import kinoloop
from kinoloop.errors import ConfigError, MediaError
from kinoloop.media.decoded import DecodeConfig, DecodedMedia
from kinoloop.media.language import detect_language
from kinoloop.media.source import downloaded
from kinoloop.media.subtitles import MAX_BYTES as MAX_SUBTITLE_BYTES
from kinoloop.media.wire import READY, read_result
from kinoloop.settings import Config

START_TIMEOUT_S = 60
"""A worker starts in about 0.4 s; the rest is for a machine that is busy."""

logger = logging.getLogger(__name__)


class GuardConfig(Config):
    """What a decoding worker may use."""

    workers: int = Field(default=0, ge=0, description="Decoding processes; 0: one a usable core.")
    timeout_s: float = Field(default=120.0, gt=0, description="Wall time a file; then SIGKILL.")
    cpu_s: int = Field(default=120, ge=1, description="CPU time a file.")
    memory_bytes: int = Field(
        default=1 << 30,
        ge=256 << 20,
        description="Address space of a worker; 4K 10-bit takes half of that, 8K 10-bit 2 GiB.",
    )
    files_per_worker: int = Field(
        default=200, ge=1, description="Then it is replaced: leaks stay small."
    )

    @property
    def processes(self) -> int:
        """Workers in force."""
        return self.workers or len(os.sched_getaffinity(0))


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
    """

    def __init__(
        self, decode: DecodeConfig | None = None, guard: GuardConfig | None = None
    ) -> None:
        self.decode_config = decode or DecodeConfig()
        self.guard = guard or GuardConfig()
        processes = self.guard.processes
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(_Worker(self.decode_config, self.guard))
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
            MediaError: It can not be decoded, or did harm to its worker.
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
                media = _local(job.media, copies, self.decode_config.max_bytes)
                try:
                    subtitles = _local(job.subtitles, copies, MAX_SUBTITLE_BYTES)
                except MediaError:
                    subtitles = Path(str(job.subtitles))  # the worker says that it is not there
                found = worker.decode(media, subtitles)
        finally:
            self._idle.put(worker)
        return replace(found, language=detect_language(found.words))


def _local(place: Path | str | None, copies: ExitStack, max_bytes: int) -> Path | None:
    if isinstance(place, str):
        return copies.enter_context(downloaded(place, max_bytes=max_bytes))
    return place


def _outcome(future: "Future[DecodedMedia]") -> DecodedMedia | MediaError:
    try:
        return future.result()
    except MediaError as err:
        return err


class _Worker:
    """One process, started when first needed and again after each fault."""

    def __init__(self, decode: DecodeConfig, guard: GuardConfig) -> None:
        self._decode, self._guard = decode, guard
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._files = 0

    def decode(self, media: Path | None, subtitles: Path | None) -> DecodedMedia:
        if self._files >= self._guard.files_per_worker or self._owner != threading.get_ident():
            self.stop()
        process = self._process or self._start()
        self._files += 1
        started = time.monotonic()
        deadline = started + self._guard.timeout_s
        message = {
            "media": None if media is None else str(media),
            "subtitles": None if subtitles is None else str(subtitles),
        }
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(message).encode() + b"\n")
            process.stdin.flush()
            found = read_result(lambda size: _read_exactly(process, size, deadline))
            return replace(found, seconds=time.monotonic() - started)
        except MediaError as err:
            err.seconds = time.monotonic() - started
            if err.reason in {"timeout", "crashed", "memory"}:
                err.peak_memory_mb = err.peak_memory_mb or _peak_mb(process.pid)
                self.stop()
            raise
        except (EOFError, BrokenPipeError) as err:
            raise self._post_mortem() from err

    def stop(self) -> None:
        """Kill the process and reap it."""
        process, self._process, self._files = self._process, None, 0
        if process is None:
            return
        process.kill()
        process.communicate()

    def _start(self) -> "subprocess.Popen[bytes]":
        settings = {
            "decode": self._decode.model_dump(mode="json"),
            "memory_bytes": self._guard.memory_bytes,
            "cpu_s": self._guard.cpu_s,
            "parent": os.getpid(),
        }
        home = str(Path(kinoloop.__file__).parent.parent)
        self._process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            [sys.executable, "-m", "kinoloop.media.worker", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={  # no key or credential goes near untrusted bytes
                "PATH": os.environ.get("PATH", ""),
                "PYTHONPATH": home,
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONSAFEPATH": "1",
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
                "LANG": "C.UTF-8",
            },
        )
        self._owner = threading.get_ident()
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            _read_exactly(self._process, len(READY), deadline)
        except (EOFError, MediaError) as err:
            said = str(self._post_mortem())
            raise ConfigError(
                f"a decoding worker does not start within {START_TIMEOUT_S} s: {said}; "
                "no file was blamed for it. Try `kinoloop doctor`"
            ) from err
        return self._process

    def _post_mortem(self) -> MediaError:
        """Turn a dead worker into the reason why the file can not be read."""
        process, self._process, self._files = self._process, None, 0
        assert process is not None
        process.kill()
        _, said = process.communicate()
        code = process.returncode
        if code == -signal.SIGXCPU:
            return MediaError("timeout", f"it takes more than {self._guard.cpu_s} s of CPU time")
        last = said.decode(errors="replace").strip().rsplit("\n", 1)[-1][:500]
        if "MemoryError" in last:
            return MediaError("memory", f"it needs more than {self._guard.memory_bytes} bytes")
        died = f"signal {-code}" if code < 0 else f"status {code}"
        logger.warning("a decoding worker died with %s: %s", died, last)
        return MediaError("crashed", f"the decoder died with {died} {last}".rstrip())


def _read_exactly(process: "subprocess.Popen[bytes]", size: int, deadline: float) -> bytearray:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    answer = bytearray(size)
    view = memoryview(answer)
    read = 0
    while read < size:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not poll.poll(left_s * 1000):
            raise MediaError("timeout", "it takes more wall time than allowed")
        count = os.readv(descriptor, [view[read:]])
        if not count:
            raise EOFError
        read += count
    return answer


def _peak_mb(pid: int) -> float:
    """Peak resident memory of a process that still lives; 0 where that can not be known."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    peaks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else 0.0
