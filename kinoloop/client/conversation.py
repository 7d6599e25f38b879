"""What both clients share: from a call to what is sent, from what came of it to an answer.

A request that was refused unheard (no connection, 429, 503 in the service's own words) is sent
again after a while. One whose answer was lost, or that failed on the way, may have taken effect: it
is sent again only where that changes nothing (reading, and events that carry their own ids).
"""

import json
import random
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from kinoloop import __version__
from kinoloop.client.calls import Call
from kinoloop.client.problems import UNHEARD, error_of
from kinoloop.client.retries import Retries, seconds_of
from kinoloop.errors import (
    ConfigError,
    DataError,
    MissingExtraError,
    ServiceError,
    UnavailableError,
)
from kinoloop.redaction import shown_address, without_credentials

try:
    import httpx as httpx  # handed on to both clients
except ModuleNotFoundError as err:
    raise MissingExtraError("kinoloop.client", "httpx", "client") from err

T = TypeVar("T")

UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
FAILED = frozenset({408, 500, 502, 504})
PROBLEM = "application/problem+json"

IDLE_S = 2.0
"""A connection is used again within this time only; the service closes idle ones after five."""


class Conversation:
    """One address and the rules of asking it.

    Args:
        url: Of the service, such as `http://127.0.0.1:3000`.
        token: Sent as `Authorization: Bearer …`; None sends none.
        retries: When a request is sent again.

    Attributes:
        headers: Of every request.

    Raises:
        ConfigError: It is no address.
    """

    def __init__(self, url: str, *, token: str | None, retries: Retries) -> None:
        try:
            parts = urlsplit(url)
        except ValueError:  # its message may have a password
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ConfigError(
                f"{shown_address(url)!r} is not the address of a service; expected one such as "
                "http://127.0.0.1:3000"
            )
        self._url, self._retries = url.rstrip("/"), retries
        self._random = random.Random()  # noqa: S311 (spreads waits)
        self.headers = {"User-Agent": f"kinoloop/{__version__}"}
        if token is not None:
            self.headers["Authorization"] = f"Bearer {token}"

    def request(self, call: Call[Any]) -> dict[str, Any]:
        """Return what httpx is given to send.

        Raises:
            DataError: The body is not JSON.
        """
        sent: dict[str, Any] = {"method": call.method, "url": self._url + call.path}
        if call.content is not None:
            sent["headers"] = {"Content-Type": "application/octet-stream"}
            sent["content"] = call.content
        elif call.body is not None:
            sent["headers"] = {"Content-Type": "application/json"}
            sent["content"] = self._encoded(call)
        return sent

    def wait_s(
        self, call: Call[Any], said: httpx.Response | httpx.RequestError, sent: int
    ) -> float | None:
        """Return the seconds until it is sent again; None: what came is final.

        Args:
            call: The request.
            said: What came of it.
            sent: How often it was sent.
        """
        asked_s = None
        if isinstance(said, httpx.RequestError):
            again = call.repeatable or isinstance(said, UNSENT)
        else:
            asked_s = seconds_of(said.headers.get("retry-after"))
            ours = asked_s is not None or _problem(said) is not None
            again = said.status_code in UNHEARD and (ours or call.repeatable)
            again |= said.status_code in FAILED and call.repeatable
        return self._retries.wait_s(sent, asked_s, self._random.random()) if again else None

    def answer(self, call: Call[T], said: httpx.Response | httpx.RequestError) -> T:
        """Read what came of a request.

        Raises:
            RefusedError: The service refuses it: its sender is to correct it.
            UnavailableError: Nothing answers, or not now.
            ServiceError: The service failed, or something else answers at its address.
        """
        where = f"{call.method} {without_credentials(self._url)}{call.path}"
        if isinstance(said, httpx.RequestError):
            raise _unanswered(where, said, call) from said
        if not said.is_success:
            raise _told(where, said)
        try:
            return call.read(said.content)
        except ValueError as err:
            raise _foreign(where, said) from err

    def _encoded(self, call: Call[Any]) -> bytes:
        try:
            text = json.dumps(call.body, ensure_ascii=False, allow_nan=False)
            return text.encode()
        except (TypeError, ValueError) as err:
            raise DataError(
                f"{call.method} {call.path}: the request is not JSON ({err}); expected text, "
                "finite numbers, true, false, and lists and dicts of them"
            ) from err


def _problem(said: httpx.Response) -> Mapping[str, Any] | None:
    """Return the problem document (RFC 9457) of an answer; None where it is none."""
    if not said.headers.get("content-type", "").startswith(PROBLEM):
        return None
    try:
        found = said.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) and "error" in found else None


def _told(where: str, said: httpx.Response) -> ServiceError:
    """Return the error that an answer amounts to."""
    problem, status = _problem(said), said.status_code
    asked_s = seconds_of(said.headers.get("retry-after"))
    if problem is None and status in UNHEARD:
        problem = {"what": f"{status} {said.reason_phrase}", "next_step": "try again"}
    if problem is None:
        return _foreign(where, said)
    return error_of(where, problem, status, retry_after_s=asked_s)


def _foreign(where: str, said: httpx.Response) -> ServiceError:
    kind = said.headers.get("content-type", "nothing")
    problem = {
        "error": "not_the_service",
        "what": f"{said.status_code} with {kind}, which is not what the service answers",
        "next_step": "see that the address is that of the service, and what stands before it",
    }
    return ServiceError(where, problem, status=said.status_code)


def _unanswered(where: str, err: httpx.RequestError, call: Call[Any]) -> UnavailableError:
    unsent = isinstance(err, UNSENT)
    late = isinstance(err, httpx.TimeoutException)
    what = "not in time" if late else "the connection failed"
    lost = not unsent and not call.repeatable
    problem = {
        "error": "unsent" if unsent else "timed_out" if late else "connection_lost",
        "what": f"{what} ({type(err).__name__}{f': {err}' if str(err) else ''})",
        "next_step": "it may have been answered, so it was not sent again; ask again if you like"
        if lost
        else "see that the service runs and can be reached, or allow a longer timeout_s",
    }
    return UnavailableError(where, problem)
