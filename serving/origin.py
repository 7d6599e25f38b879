"""Who may ask: the name that a request was sent to, and the page that it comes from.

A page on another site can make its visitor's browser send requests to this machine. Two things give
it away, and neither can be forged by a page: a request over DNS rebinding carries the name of the
attacker as `Host`, and one that crosses sites carries its `Origin`. A client that is not a browser
sends no `Origin`. An address as `Host` is taken where the connection came in at that very address;
no name can be rebound to look like that.
"""

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

from serving.problems import Problem

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class OriginCheck:
    """Refuses requests that were sent to another name, or by a page of another origin.

    Args:
        hosts: Names besides loopback; `*.example.org` is every name below, `*` every name.
        origins: Pages of other origins that may ask, such as `https://app.example`.
        also: Whether somebody else, such as CORS, admits an origin.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        origins: Iterable[str],
        *,
        also: Callable[[str], bool] = lambda _: False,
    ) -> None:
        named = {host.lower().strip("[]") for host in hosts}
        self._any = "*" in named
        self._hosts = {"localhost", *(host for host in named if not host.startswith("*"))}
        self._suffixes = tuple(host[1:] for host in named if host.startswith("*."))
        self._origins = {origin.lower().rstrip("/") for origin in origins}
        self._also = also

    def check(self, scope: Scope) -> None:
        """Raise for a request that is not for us, or not from one of ours.

        Raises:
            Problem: 403.
        """
        self.check_host(scope)
        origin = _header(scope, b"origin")
        if origin:
            self._check_origin(origin, _header(scope, b"host").lower())

    def check_host(self, scope: Scope) -> None:
        """Raise for a request that was sent to another name.

        Raises:
            Problem: 403.
        """
        host = _header(scope, b"host")
        name = _name(host.lower())
        if self._any or name in self._hosts or name.endswith(self._suffixes):
            return
        here = (scope.get("server") or ("",))[0]
        if is_loopback(name) or (name and name == here):
            return
        raise Problem(
            "foreign_host",
            "the request was sent to a name that this service does not answer to",
            got=host,
            expected="localhost, the address that the service listens at, or one of "
            "[serving] hosts",
            next_step="add the name to [serving] hosts in kinoloop.toml, or let the proxy in "
            "front send a name that is there",
        )

    def _check_origin(self, origin: str, host: str) -> None:
        scheme, _, address = origin.lower().partition("://")
        port = _DEFAULT_PORTS.get(scheme)
        if port is not None and address.removesuffix(port) == host.removesuffix(port):
            return
        if origin.lower() in self._origins or self._also(origin):
            return
        raise Problem(
            "foreign_origin",
            "a page of another origin may not ask this service",
            got=origin,
            expected="the page of the service itself, or one of [serving] origins",
            next_step="add the origin of the page to [serving] origins in kinoloop.toml; a proxy "
            "in front that rewrites Host makes the service's own page foreign, too",
        )


def check_one_host(scope: Scope) -> None:
    """Raise unless the request names one host: two readers of it must not see two.

    Source: RFC 9112, section 3.2.

    Raises:
        Problem: 400.
    """
    named = [value for name, value in scope["headers"] if name == b"host"]
    if len(named) == 1 or (not named and scope["http_version"] == "1.0"):
        return
    raise Problem(
        "malformed_request",
        f"the request has {len(named)} Host headers",
        got=b", ".join(named).decode("latin-1"),
        expected="one Host header (RFC 9112, section 3.2)",
        next_step="send the request with an HTTP client; a proxy in front must not add another",
    )


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value for name, value in scope["headers"] if name == wanted), b"").decode(
        "latin-1"
    )


def _name(host: str) -> str:
    """Read the name or address in a `Host` header, without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # an unclosed bracket
        return ""


@lru_cache(256)  # every request without a token asks it of the same few
def is_loopback(name: str) -> bool:
    """Whether this is an address of the machine itself, also as a dual-stack socket writes it."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or bool(mapped and mapped.is_loopback)
