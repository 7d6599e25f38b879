"""Open an http(s) address that a stranger may have written into the catalogue.

The name of a host is resolved once, every address is checked, and the connection goes to the one
that was checked: a name that changes its mind meanwhile gains nothing. The same holds for each
redirect. No proxy, no cookies, no credentials, no compression.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import httpcore
import httpx

from kinoloop.errors import MediaError
from kinoloop.media.access import WEB, AccessConfig

MAX_REDIRECTS = 5
AGENT = b"kinoloop"

_MOVED = frozenset((301, 302, 303, 307, 308))
_PASSING = frozenset((408, 425, 429))
"""Beside all from 500 on: answers that say "not now"."""

Count = Callable[[int], None]


class Reached:
    """An answer that is 2xx.

    Attributes:
        headers: Names in small letters.
        chunks: The body, as it comes.
    """

    def __init__(self, response: httpcore.Response) -> None:
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response.headers
        }
        self.chunks = response.iter_stream()


class Connector(httpcore.NetworkBackend):
    """Connects to checked addresses only, and tells how much comes in.

    Args:
        access: What may be reached.
        count: Is told the number of bytes of each read.
    """

    def __init__(self, access: AccessConfig, count: Count) -> None:
        self._access, self._count = access, count
        self._open: list[socket.socket] = []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 (httpcore's interface)
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 (likewise)
    ) -> httpcore.NetworkStream:
        """Resolve, check and connect.

        Raises:
            MediaError: Its addresses may not be reached.
            httpcore.ConnectError: It has none, or none answers.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, OverflowError) as err:
            raise httpcore.ConnectError(f"its name has no address: {err}") from err
        for *_, target in found:
            self._access.check_address(str(target[0]))
        failed: OSError | None = None
        for family, kind, protocol, _, target in found:
            sock = socket.socket(family, kind, protocol)
            sock.settimeout(timeout)
            self._open.append(sock)
            try:
                sock.connect(target)
            except OSError as err:
                sock.close()
                failed = err
            else:
                return _Counted(sock, self._count, self._open)
        raise httpcore.ConnectError(str(failed or "its name has no address"))

    def abandon(self) -> None:
        """End whatever is open, from another thread: who reads from it gets an error."""
        for sock in self._open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Counted(httpcore.NetworkStream):
    """A socket that tells how much came in."""

    def __init__(self, sock: socket.socket, count: Count, opened: list[socket.socket]) -> None:
        self._sock, self._count, self._opened = sock, count, opened

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._sock.settimeout(timeout)
        try:
            data = self._sock.recv(max_bytes)
        except TimeoutError as err:
            raise httpcore.ReadTimeout("it sends nothing") from err
        except OSError as err:
            raise httpcore.ReadError(str(err)) from err
        self._count(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._sock.settimeout(timeout)
        try:
            self._sock.sendall(buffer)
        except TimeoutError as err:
            raise httpcore.WriteTimeout("it takes nothing") from err
        except OSError as err:
            raise httpcore.WriteError(str(err)) from err

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        self._sock.settimeout(timeout)
        try:
            secured = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except (OSError, ValueError) as err:
            self.close()
            raise httpcore.ConnectError(f"no TLS connection: {err}") from err
        self._opened.append(secured)
        return _Counted(secured, self._count, self._opened)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 (httpcore's interface)
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        return None


@contextmanager
def opened(
    address: str, method: str, *, access: AccessConfig, connector: Connector
) -> Iterator[Reached]:
    """Ask for an address, redirects followed, each one checked.

    Args:
        address: http(s), as the catalogue has it.
        method: `GET` or `HEAD`.
        access: What may be reached.
        connector: Makes the connections.

    Raises:
        MediaError: It may not be reached (`not_allowed`), makes no sense (`bad_name`), is not there
            (`not_found`), or not now (`unreachable`).
    """
    wait = dict.fromkeys(("connect", "read", "write", "pool"), access.stall_s)
    with httpcore.ConnectionPool(network_backend=connector, ssl_context=_trusted()) as pool:
        for _ in range(MAX_REDIRECTS + 1):
            url = _parse(address)
            access.check_host(url)
            headers = [
                (b"Host", url.netloc),
                (b"User-Agent", AGENT),
                (b"Accept", b"*/*"),
                (b"Accept-Encoding", b"identity"),
            ]
            target = httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            )
            with (
                _errors_as_media(),
                pool.stream(
                    method, target, headers=headers, extensions={"timeout": wait}
                ) as response,
            ):
                if response.status not in _MOVED:
                    _check_status(response.status)
                    yield Reached(response)
                    return
                address = _follow(url, _location(response))
    raise MediaError("not_found", f"it redirects more than {MAX_REDIRECTS} times")


def post(
    address: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    access: AccessConfig,
    connector: Connector,
) -> None:
    """Send something to an address; a redirect counts as a failure, and no answer is read.

    Raises:
        MediaError: As of `opened`.
    """
    url = _parse(address)
    access.check_host(url)
    wait = dict.fromkeys(("connect", "read", "write", "pool"), access.stall_s)
    sent = [(b"Host", url.netloc), (b"User-Agent", AGENT)]
    sent += [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    sent.append((b"Content-Length", str(len(body)).encode()))
    target = httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
    with (
        _errors_as_media(),
        httpcore.ConnectionPool(network_backend=connector, ssl_context=_trusted()) as pool,
        pool.stream(
            "POST", target, headers=sent, content=body, extensions={"timeout": wait}
        ) as response,
    ):
        _check_status(response.status)


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Trust the usual authorities, and those of SSL_CERT_FILE."""
    return httpx.create_ssl_context()


def _parse(address: str) -> httpx.URL:
    try:
        url = httpx.URL(address.strip())
        url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError, TypeError) as err:
        raise MediaError("bad_name", f"it is not an address: {err}") from err
    port_ok = url.port is None or 0 < url.port < 1 << 16
    if url.scheme not in WEB or not url.raw_host or not port_ok or len(url.raw_host) > 253:
        raise MediaError("bad_name", "it is not an address of a host: check its name and its port")
    if url.userinfo:
        raise MediaError("credentials", "it carries a user or a password")
    return url


def _follow(url: httpx.URL, moved: bytes) -> str:
    try:
        target = url.join(moved.decode("utf-8"))
    except (httpx.InvalidURL, ValueError) as err:
        raise MediaError("not_found", "it redirects to something that is not an address") from err
    if target.scheme not in WEB or (url.scheme == "https" and target.scheme != "https"):
        raise MediaError("not_allowed", f"it redirects from {url.scheme} to {target.scheme!r}")
    return str(target)


def _location(response: httpcore.Response) -> bytes:
    found = [value for name, value in response.headers if name.lower() == b"location"]
    if not found:
        raise MediaError("not_found", f"it answers {response.status} and does not say where to go")
    return found[0]


def _check_status(status: int) -> None:
    if 200 <= status < 300:
        return
    if status >= 500 or status in _PASSING:
        raise MediaError("unreachable", f"its server answers {status}")
    raise MediaError("not_found", f"its server answers {status}")


@contextmanager
def _errors_as_media() -> Iterator[None]:
    """Errors of the connection as `unreachable`."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as err:
        said = str(err) or type(err).__name__
        raise MediaError("unreachable", f"its server fails: {said[:200]}") from err
