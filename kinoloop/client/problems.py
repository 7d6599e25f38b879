"""Which error a problem of the service is."""

from collections.abc import Mapping
from typing import Any

from kinoloop.errors import RefusedError, ServiceError, UnavailableError

UNHEARD = frozenset({429, 503})
"""Statuses that say: later."""


def error_of(
    where: str, problem: Mapping[str, Any], status: int, *, retry_after_s: float | None = None
) -> ServiceError:
    """Return the error that a problem (RFC 9457) amounts to.

    Args:
        where: Method and address.
        problem: What the service said.
        status: HTTP status.
        retry_after_s: What it asks to wait.
    """
    if status in UNHEARD:
        kind: type[ServiceError] = UnavailableError
    else:
        kind = RefusedError if 400 <= status < 500 else ServiceError
    return kind(where, problem, status=status, retry_after_s=retry_after_s)
