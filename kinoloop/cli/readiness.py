"""Whether the service that was started can answer, and where not, why and what to do."""

import ssl
import time
from collections.abc import Callable

import httpx

PASSING = frozenset({"starting", "release_arriving"})
"""Reasons that go away by themselves."""

PATIENCE_S = 60.0
EVERY_S = 0.2


def unready(url: str, *, verify: ssl.SSLContext | bool = True) -> dict[str, str]:
    """Ask a service why it is not ready; return nothing where it is.

    Args:
        url: Of its `/readyz`.
        verify: How its certificate is checked, where it speaks HTTPS.
    """
    try:
        answer = httpx.get(url, verify=verify, timeout=30.0)
        found: dict[str, str] = {} if answer.is_success else answer.json()
    except (httpx.HTTPError, ValueError):
        return {"error": "", "what": f"{url} gives no answer", "next_step": "read its log"}
    return found


def why_not_ready(
    url: str, *, ask: Callable[[str], dict[str, str]] = unready, patience_s: float = PATIENCE_S
) -> str:
    """Why a service that has started cannot answer; "" where it can.

    Args:
        url: Of its `/readyz`.
        ask: What it says there; empty where it is ready.
        patience_s: How long to wait for what goes away by itself.
    """
    until = time.monotonic() + patience_s
    while (why := ask(url)) and why.get("error") in PASSING and time.monotonic() < until:
        time.sleep(EVERY_S)
    return f"{why['what']}; next: {why['next_step']}" if why else ""
