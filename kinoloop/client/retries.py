"""When a request is sent again, and after how long.

Exponential back-off with full jitter (Brooker, "Exponential Backoff And Jitter", 2015): clients
that were refused together do not come back together. What the service says in `Retry-After` is
waited at least; where that is longer than a client would wait, the error is told at once.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import BaseModel, ConfigDict, Field


class Retries(BaseModel):
    """How often a request is sent, and the waits between; `Retries(attempts=1)` sends it once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(3, ge=1, le=100, description="How often it is sent at most.")
    first_s: float = Field(0.2, ge=0, description="Longest first wait; each may be twice as long.")
    longest_s: float = Field(5.0, ge=0, description="Longest wait, also of a Retry-After.")

    def wait_s(self, sent: int, asked_s: float | None, draw: float) -> float | None:
        """Return the seconds until it is sent again; None: not again.

        Args:
            sent: How often it was sent.
            asked_s: What the service asked for in `Retry-After`; None: nothing.
            draw: Chance, in [0, 1).

        Examples:
            >>> Retries(first_s=1.0).wait_s(2, None, 0.5), Retries().wait_s(3, None, 0.5)
            (1.0, None)
            >>> Retries(first_s=1.0).wait_s(1, 2.0, 0.5), Retries().wait_s(1, 60.0, 0.5)
            (2.5, None)
        """
        if sent >= self.attempts or (asked_s or 0.0) > self.longest_s:
            return None
        jitter_s = min(self.first_s * 2.0 ** min(sent - 1, 30), self.longest_s)
        return (asked_s or 0.0) + draw * jitter_s


def seconds_of(retry_after: str | None, now: datetime | None = None) -> float | None:
    """Read `Retry-After`: seconds or a date (RFC 9110, 10.2.3); None where it is neither.

    Args:
        retry_after: The header; None where there is none.
        now: The present; None asks the clock.

    Examples:
        >>> seconds_of("3"), seconds_of("soon"), seconds_of(None)
        (3.0, None, None)
        >>> then = datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
        >>> seconds_of("Thu, 01 Jan 2026 00:00:09 GMT", then)
        4.0
    """
    text = (retry_after or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:  # -0000: of no known zone
        at = at.replace(tzinfo=UTC)
    return max((at - (now or datetime.now(UTC))).total_seconds(), 0.0)
