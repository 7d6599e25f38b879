"""The process in which untrusted media is decoded; started by `kinoloop.media.process`.

    python -m kinoloop.media.worker '{"decode": {…}, "memory_bytes": …, "cpu_s": …}'

One job per line on standard input (see `process.Order`); one answer each on standard output (see
`wire`). It may not write files, outlive its parent, or use more
memory, or CPU time per file, than it is given.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from kinoloop.errors import MediaError
from kinoloop.media.decode import decode_media
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.wire import READY, write_result

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Answer jobs until standard input ends."""
    settings = json.loads(arguments[0])
    parent = int(settings["parent"])
    _confine(int(settings["memory_bytes"]), parent)
    answers = _private_stdout()
    config = DecodeConfig.model_validate(settings["decode"])
    answers.write(READY)
    answers.flush()
    for line in sys.stdin.buffer:
        job = json.loads(line)
        _grant_cpu(int(settings["cpu_s"]))
        _answer(answers, job, config)
    return 0


def _answer(answers: BinaryIO, job: dict[str, str | None], config: DecodeConfig) -> None:
    media, subtitles = job["media"], job["subtitles"]
    _reset_peak()
    try:
        result = decode_media(
            None if media is None else Path(media),
            None if subtitles is None else Path(subtitles),
            config,
            without=job["without"] or "",
        )
    except MediaError as err:
        err.peak_memory_mb = _peak_mb()
        write_result(answers, err)
        return
    except MemoryError:
        said = "decoding it needs more memory than allowed"
        write_result(answers, MediaError("memory", said, peak_memory_mb=_peak_mb()))
        return
    write_result(answers, replace(result, peak_memory_mb=_peak_mb()))


def _confine(memory_bytes: int, parent: int) -> None:
    """Give up what a decoder does not need."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before prctl
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _grant_cpu(seconds: int) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, hard))


def _reset_peak() -> None:
    """Start to measure again (Linux; elsewhere the peak is that of the process)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mb() -> float:
    """Peak resident memory since `_reset_peak`; getrusage would count the parent's as well."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _private_stdout() -> BinaryIO:
    """Keep the answers apart from whatever a C library may print."""
    private = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(private, "wb")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
