"""Copy what is remote to a file, within bounds that no server can stretch.

Each transfer runs in a thread of its own, watched from outside: a server that stalls, drips or
never ends is left behind, whatever its library waits for (a name, a handshake, a header). After
`MAX_FAILURES` failures in a row a host or bucket is not asked again by the same `Fetcher`, so that
one dead server costs a run some minutes and not half a minute per video.
"""

import errno
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import urlsplit

from kinoloop.errors import MediaError
from kinoloop.media.access import WEB, AccessConfig
from kinoloop.media.http import Connector, Reached, opened
from kinoloop.media.source import CHUNK_BYTES
from kinoloop.privacy.addresses import redact

MAX_FAILURES = 3
MIN_BYTES = 1 << 16
"""What a server must send in each `stall_s`; 2 KB/s at the default."""

LOOK_S = 0.25
"""Between two looks at a transfer."""

T = TypeVar("T")


class Fetcher:
    """Reads addresses; safe to use from several threads.

    Args:
        access: What may be reached, and how long it may take.
    """

    def __init__(self, access: AccessConfig | None = None) -> None:
        self.access = access or AccessConfig()
        self._failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def token(self, address: str) -> str:
        """Identify the present content of an address without reading it, by size, ETag and time.

        Raises:
            MediaError: It is not there (`not_found`), not now (`unreachable`), or may not be read.
        """
        look = _web_token if _is_web(address) else _store_token
        return self._watched(
            address, lambda watch: look(address, self.access, watch), self.access.stall_s
        )

    @contextmanager
    def downloaded(self, address: str, *, max_bytes: int) -> Iterator[Path]:
        """Copy an address to a temporary file that is removed afterwards.

        Raises:
            MediaError: As `token`; or it is `too_large`, or there is `no_space` for it.
        """
        read = _read_web if _is_web(address) else _read_store
        with tempfile.NamedTemporaryFile(prefix="kinoloop-") as target:

            def copy(watch: "_Watch") -> None:
                read(address, self.access, watch, _Sink(target.file, max_bytes))

            self._watched(address, copy, self.access.download_s)
            target.flush()
            yield Path(target.name)

    def _watched(self, address: str, work: "Callable[[_Watch], T]", limit_s: float) -> T:
        host = _host(address)
        with self._lock:
            if self._failures[host] >= MAX_FAILURES:
                raise MediaError(
                    "unreachable",
                    f"{redact(address)}: {host} failed {MAX_FAILURES} times in a row and is not "
                    "asked again in this run",
                )
        try:
            found = _Watch(self.access.stall_s, limit_s).run(work)
        except MediaError as err:
            with self._lock:
                away = err.reason == "unreachable"
                self._failures[host] = self._failures[host] + 1 if away else 0
            raise MediaError(err.reason, f"{redact(address)}: {redact(err.detail)}") from err
        with self._lock:
            self._failures[host] = 0
        return found


class _Watch:
    """One transfer: how much came in, and whether it goes on.

    Args:
        stall_s: `MIN_BYTES` must come in each such time.
        limit_s: For all of it.
    """

    def __init__(self, stall_s: float, limit_s: float) -> None:
        self._stall_s, self._limit_s = stall_s, limit_s
        self._received = 0
        self.abandon: Callable[[], None] = lambda: None

    def count(self, size: int) -> None:
        """Bytes came in."""
        self._received += size

    def run(self, work: "Callable[[_Watch], T]") -> T:
        """Do it in a thread, and leave that behind where it takes too long.

        Raises:
            MediaError: As `work`; `unreachable` where it stalls, lasts or fails otherwise.
        """
        outcome: Future[T] = Future()

        def do() -> None:
            try:
                outcome.set_result(work(self))
            except Exception as err:  # noqa: BLE001 (libraries of stores raise what they like)
                outcome.set_exception(err)

        threading.Thread(target=do, name="fetch", daemon=True).start()
        started = window = time.monotonic()
        before = 0
        while not wait([outcome], timeout=LOOK_S).done:
            now = time.monotonic()
            if now - started > self._limit_s:
                self._give_up(f"it takes more than {self._limit_s:g} s")
            if now - window > self._stall_s:
                if self._received - before < MIN_BYTES:
                    sent = self._received - before
                    self._give_up(f"its server stalls: {sent} bytes in {self._stall_s:g} s")
                window, before = now, self._received
        err = outcome.exception()
        if err is None:
            return outcome.result()
        raise _as_media_error(err) from err

    def _give_up(self, why: str) -> None:
        self.abandon()
        raise MediaError("unreachable", why)


def _as_media_error(err: BaseException) -> MediaError:
    """Turn what ended a transfer into an error with its reason."""
    if isinstance(err, MediaError):
        return err
    if isinstance(err, ImportError):
        return MediaError("not_installed", f"a library is missing: {err}")
    if isinstance(err, FileNotFoundError):
        return MediaError("not_found", "there is no such object")
    return MediaError("unreachable", f"it cannot be read: {type(err).__name__}: {err}"[:300])


class _Sink:
    """Where bytes go, as many as are allowed."""

    def __init__(self, target: IO[bytes], max_bytes: int) -> None:
        self._target, self._max_bytes, self._written = target, max_bytes, 0

    def expect(self, size: str) -> None:
        """Refuse at once what says that it is too large."""
        if size.isdecimal() and int(size[:20]) > self._max_bytes:
            raise MediaError("too_large", f"it has {size[:20]} bytes, limit {self._max_bytes}")

    def write(self, chunk: bytes) -> None:
        self._written += len(chunk)
        if self._written > self._max_bytes:
            raise MediaError("too_large", f"it has more than {self._max_bytes} bytes")
        try:
            self._target.write(chunk)
        except OSError as err:
            if err.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise MediaError("no_space", "there is no room for it in the temporary folder") from err


def _read_web(address: str, access: AccessConfig, watch: _Watch, sink: _Sink) -> None:
    with _answer(address, "GET", access, watch) as answer:
        sink.expect(answer.headers.get("content-length", ""))
        for chunk in answer.chunks:
            sink.write(chunk)


def _web_token(address: str, access: AccessConfig, watch: _Watch) -> str:
    try:
        with _answer(address, "HEAD", access, watch) as answer:
            return _token_of(answer)
    except MediaError as err:
        if err.reason != "not_found" and "answers 501" not in err.detail:
            raise
    with _answer(address, "GET", access, watch) as answer:  # a server that does not know HEAD
        return _token_of(answer)


def _token_of(answer: Reached) -> str:
    names = {"size": "content-length", "ETag": "etag"}
    if "etag" not in answer.headers:
        names["last_modified"] = "last-modified"
    facts = {name: answer.headers.get(header) for name, header in names.items()}
    return "|".join(f"{name}={value}" for name, value in facts.items() if value)


@contextmanager
def _answer(address: str, method: str, access: AccessConfig, watch: _Watch) -> Iterator[Reached]:
    connector = Connector(access, watch.count)
    watch.abandon = connector.abandon
    with opened(address, method, access=access, connector=connector) as answer:
        yield answer


def _read_store(address: str, access: AccessConfig, watch: _Watch, sink: _Sink) -> None:  # noqa: ARG001
    import fsspec

    files, path = fsspec.core.url_to_fs(address)
    with files.open(path, "rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            watch.count(len(chunk))
            sink.write(chunk)


def _store_token(address: str, access: AccessConfig, watch: _Watch) -> str:  # noqa: ARG001
    import fsspec

    files, path = fsspec.core.url_to_fs(address)
    info = files.info(path)
    names = ("size", "ETag", "etag", "LastModified", "mtime", "created", "last_modified")
    return "|".join(f"{name}={info[name]}" for name in names if name in info)


def _is_web(address: str) -> bool:
    return address.partition("://")[0].lower() in WEB


def _host(address: str) -> str:
    """Return what fails together: a host, a bucket."""
    try:
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    except ValueError:
        return "its host"
