"""A load generator: keep-alive HTTP clients, every latency kept.

It speaks just enough HTTP/1.1 to cost little itself (about 50 µs per request), so that what it
measures is the service.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np


@dataclass(frozen=True)
class Load:
    """What one run measured.

    Attributes:
        sent: Requests.
        failed: Answers other than 200, and broken connections.
        seconds: Wall time.
        per_s: Requests per second.
        p50_ms: Median latency.
        p99_ms: 99th percentile.
        max_ms: Slowest.
    """

    sent: int
    failed: int
    seconds: float
    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, latencies: Sequence[float], failed: int, seconds: float) -> "Load":
        """Summarise."""
        ms = np.asarray(latencies or [float("nan")]) * 1000
        p50, p99 = np.percentile(ms, [50, 99])
        return cls(
            sent=len(latencies) + failed,
            failed=failed,
            seconds=round(seconds, 3),
            per_s=round(len(latencies) / seconds, 1),
            p50_ms=round(float(p50), 3),
            p99_ms=round(float(p99), 3),
            max_ms=round(float(ms.max()), 3),
        )


class Client(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self.closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits for an answer, and who would ask next."""
        self.closing = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("closed"))

    def data_received(self, data: bytes) -> None:
        """Find the end of the answer."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or self._answer is None:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) >= length:
            self.closing = b"connection: close" in head.lower()
            self._buffer = b""
            self._answer.set_result(int(head[9:12]))

    async def ask(self, request: bytes) -> int:
        """Status of the answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


def user_ids(pattern: str) -> list[str]:
    """Return a thousand user ids."""
    return [pattern.format(number) for number in range(1, 1001)]


def requests_for(url: str, path: str, users: Sequence[str]) -> list[bytes]:
    """Encode requests as they go over the wire, one per user."""
    host = urlsplit(url).netloc
    made = []
    for user in users:
        body = b"{}" if path == "/noop" else json.dumps({"user_id": user, "top_k": 10}).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


async def load(
    url: str, requests: Sequence[bytes], *, clients: int, seconds: float, pause_s: float = 0.0
) -> tuple[list[tuple[float, float]], int]:
    """Send for a while.

    Args:
        url: Of the service.
        requests: Sent in turns.
        clients: Connections, each with one request under way.
        seconds: How long.
        pause_s: Between an answer and the next request of a client.

    Returns:
        (start, latency) of each good answer in seconds, and how many failed.
    """
    good: list[tuple[float, float]] = []
    failed = 0
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    end = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()

    async def one(first: int) -> None:
        nonlocal failed
        client: Client | None = None
        at = first
        while (started := time.perf_counter()) < end:
            at += clients
            if client is not None and client.closing:
                client.close()
                client = None
            try:
                if client is None:
                    _, client = await loop.create_connection(Client, host, port)
                status = await client.ask(requests[at % len(requests)])
            except OSError:
                failed += 1
                client = None
                await asyncio.sleep(0.01)
                continue
            if status == 200:
                good.append((started, time.perf_counter() - started))
            else:
                failed += 1
            if pause_s:
                await asyncio.sleep(pause_s)
        if client is not None:
            client.close()

    await asyncio.gather(*(one(first) for first in range(clients)))
    return good, failed
