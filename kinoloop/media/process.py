"""One decoding process: started when first needed, watched, and replaced after each fault.

Time is judged by what the process does, not by the wall clock: a good file takes as much
CPU time on a busy machine as on a quiet one. The wall clock only ends what is stuck.
"""

import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from pydantic import Field

import kinoloop
from kinoloop.errors import ConfigError, MediaError
from kinoloop.media.decoded import DecodeConfig, DecodedMedia
from kinoloop.media.wire import READY, read_result
from kinoloop.settings import Config

LOOK_S = 0.5
"""Between two looks at whether a process makes progress."""

DYING_S = 10
"""For a process that closed its pipe to be gone; then it is killed."""

START_STUCK_S = 60.0
START_TIMEOUT_S = 600.0
"""A process starts in about 0.4 s; the rest is for a machine that is busy."""

logger = logging.getLogger(__name__)


class GuardConfig(Config):
    """What a decoding worker may use."""

    workers: int = Field(default=0, ge=0, description="Decoding processes; 0: one per usable core.")
    cpu_s: int = Field(default=120, ge=1, description="CPU time per file: how long it may take.")
    stuck_s: float = Field(
        default=120.0, gt=0, description="Without using any CPU time; then SIGKILL."
    )
    timeout_s: float = Field(
        default=3600.0, gt=0, description="Wall time per file, whatever it does; then SIGKILL."
    )
    memory_bytes: int = Field(
        default=1 << 30,
        ge=256 << 20,
        description="Address space of a worker; 4K 10-bit takes half of that, 8K 10-bit 2 GiB.",
    )
    files_per_worker: int = Field(
        default=200, ge=1, description="After these it is replaced: leaks stay small."
    )

    @property
    def processes(self) -> int:
        """Workers in force."""
        return self.workers or len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Order:
    """What a process is asked for.

    Attributes:
        media: The media file; None for words only.
        subtitles: The subtitle file.
        without: `sound`, `words` or `pictures` that are left out; "" for none.
    """

    media: Path | None
    subtitles: Path | None = None
    without: str = ""

    def to_line(self) -> bytes:
        """As the worker reads it."""
        places = {"media": self.media, "subtitles": self.subtitles}
        named = {name: None if path is None else str(path) for name, path in places.items()}
        return json.dumps({**named, "without": self.without}).encode() + b"\n"


class DecoderProcess:
    """Decodes one file at a time; used by one thread at a time.

    Args:
        decode: What is taken from a file.
        guard: What the process may use.
    """

    def __init__(self, decode: DecodeConfig, guard: GuardConfig) -> None:
        self._decode, self._guard = decode, guard
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._files = 0

    def decode(self, order: Order) -> DecodedMedia:
        """Decode a file.

        Raises:
            MediaError: It cannot be read, passes a limit (`timeout`, `memory`), is `stuck`, or the
                process died of it (`crashed`) or of something else (`killed`).
            ConfigError: Processes do not start.
        """
        process = self._ready()
        line = order.to_line()
        try:
            _send(process, line)
        except BrokenPipeError:  # it died while it was idle
            self.stop()
            process = self._ready()
            _send(process, line)
        self._files += 1
        started = time.monotonic()
        watch = _Watch(process, stuck_s=self._guard.stuck_s, limit_s=self._guard.timeout_s)
        try:
            found = read_result(watch.read)
            return replace(found, seconds=time.monotonic() - started)
        except MediaError as err:
            err.seconds = time.monotonic() - started
            if err.reason in {"stuck", "timeout", "crashed", "memory"}:
                err.peak_memory_mb = err.peak_memory_mb or _peak_mb(process.pid)
                self.stop()
            raise
        except EOFError as err:
            fault = self._post_mortem()
            fault.seconds = time.monotonic() - started
            raise fault from err

    def stop(self) -> None:
        """Kill the process and reap it."""
        process, self._process, self._files = self._process, None, 0
        if process is None:
            return
        process.kill()
        process.communicate()

    def _ready(self) -> "subprocess.Popen[bytes]":
        """Return the process, alive; start a new one where it had its share, or died."""
        stale = self._files >= self._guard.files_per_worker
        foreign = self._owner != threading.get_ident()
        if self._process is not None and (stale or foreign or self._process.poll() is not None):
            self.stop()
        return self._process or self._start()

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
        watch = _Watch(self._process, stuck_s=START_STUCK_S, limit_s=START_TIMEOUT_S)
        try:
            watch.read(len(READY))
        except (EOFError, MediaError) as err:
            said = str(err) if isinstance(err, MediaError) else str(self._post_mortem())
            self.stop()
            raise ConfigError(
                f"a decoding worker does not start: {said}; no file was blamed for it. "
                "Try `kinoloop doctor`"
            ) from err
        return self._process

    def _post_mortem(self) -> MediaError:
        """Turn a dead worker into the reason why the file cannot be read."""
        process, self._process, self._files = self._process, None, 0
        assert process is not None
        with suppress(subprocess.TimeoutExpired):
            process.wait(DYING_S)
        code = process.poll()
        process.kill()
        _, said = process.communicate()
        last = said.decode(errors="replace").strip().rsplit("\n", 1)[-1][:500]
        if code == -signal.SIGXCPU:
            return MediaError("timeout", f"it takes more than {self._guard.cpu_s} s of CPU time")
        if "MemoryError" in last:
            return MediaError("memory", f"it needs more than {self._guard.memory_bytes} bytes")
        if code in {-signal.SIGKILL, -signal.SIGTERM}:
            logger.warning("a decoding worker was killed with signal %d", -code)
            return MediaError("killed", f"something killed the decoder with signal {-code}")
        died = "no answer" if code is None else f"signal {-code}" if code < 0 else f"status {code}"
        logger.warning("a decoding worker died with %s: %s", died, last)
        return MediaError("crashed", f"the decoder died with {died} {last}".rstrip())


def _send(process: "subprocess.Popen[bytes]", line: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


class _Watch:
    """Reads from a process as long as that makes progress."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", *, stuck_s: float, limit_s: float
    ) -> None:
        assert process.stdout is not None
        self._pid, self._descriptor = process.pid, process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)
        self._stuck_s, self._limit_s = stuck_s, limit_s
        self._started = self._moved = time.monotonic()
        self._used_s = 0.0

    def read(self, size: int) -> bytearray:
        """Exactly as many bytes.

        Raises:
            EOFError: The process is gone.
            MediaError: It is `stuck`.
        """
        answer = bytearray(size)
        view = memoryview(answer)
        read = 0
        while read < size:
            if not self._poll.poll(min(LOOK_S, self._stuck_s, self._limit_s) * 1000):
                self._check_progress()
                continue
            count = os.readv(self._descriptor, [view[read:]])
            if not count:
                raise EOFError
            read += count
        return answer

    def _check_progress(self) -> None:
        now, used_s = time.monotonic(), self._cpu_s()
        if used_s > self._used_s:
            self._moved, self._used_s = now, used_s
        if now - self._moved > self._stuck_s:
            said = f"it did nothing for {self._stuck_s:g} s: a disk or a network that hangs"
            raise MediaError("stuck", said)
        if now - self._started > self._limit_s:
            raise MediaError("stuck", f"it takes more than {self._limit_s:g} s of wall time")

    def _cpu_s(self) -> float:
        try:
            times = psutil.Process(self._pid).cpu_times()
        except psutil.Error:
            return self._used_s
        return float(times.user + times.system)


def _peak_mb(pid: int) -> float:
    """Peak resident memory of a process that still lives; 0 where that cannot be known."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    peaks = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else 0.0
