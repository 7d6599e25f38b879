"""Requests that come at a rate, whether or not the earlier ones were answered (an open loop).

A closed loop (benchmarks/harness/load.py) waits for answers and so slows down with the service;
people do not. Run as a process of its own it prints one JSON line. The generator is late itself
where it must open thousands of connections or a machine is busy: `late` says how much CPU time its
turns of the loop took, which stands in the latencies and is not the service's.

    python -m benchmarks.harness.arrivals --url http://127.0.0.1:3000 --rate 500 --seconds 10
"""

import argparse
import asyncio
import gc
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kinoloop.testing.load import Client, requests_for, user_ids

PATIENCE_S = 60.0  # after the last one was sent
BROKEN = 0  # status of a request whose connection broke


@dataclass
class Arrived:
    """What one run brought.

    Attributes:
        answers: (start on the monotonic clock, latency, status) of each request, seconds.
        late: CPU seconds of each turn of the generator's own loop.
        broken: Connections that broke, by reason.
    """

    answers: list[tuple[float, float, int]] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)


async def arrive(url: str, requests: Sequence[bytes], *, rate: float, seconds: float) -> Arrived:
    """Send at a rate, over as many keep-alive connections as that takes."""
    loop, parts = asyncio.get_running_loop(), urlsplit(url)
    free: list[Client] = []
    arrived = Arrived()

    async def one(request: bytes) -> None:
        started = time.monotonic()
        try:
            client = _open_one(free)
            if client is None:
                _, client = await loop.create_connection(Client, parts.hostname, parts.port)
            status = await client.ask(request)
            if client.closing:
                client.close()
            else:
                free.append(client)
        except OSError as err:
            status = BROKEN
            arrived.broken[type(err).__name__] += 1
        arrived.answers.append((started, time.monotonic() - started, status))

    began, sent, under_way = time.monotonic(), 0, set()
    while (now := time.monotonic() - began) < seconds:
        while sent < now * rate:
            task = loop.create_task(one(requests[sent % len(requests)]))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            sent += 1
        used = time.thread_time()
        await asyncio.sleep(0.001)
        arrived.late.append(time.thread_time() - used)
    if under_way:
        _, silent = await asyncio.wait(under_way, timeout=PATIENCE_S)
        for _ in silent:
            arrived.answers.append((time.monotonic() - PATIENCE_S, PATIENCE_S, BROKEN))
            arrived.broken["no answer"] += 1
    for client in free:
        client.close()
    return arrived


def _open_one(free: list[Client]) -> Client | None:
    """Take a connection that is still open: the service ends what is idle for long."""
    while free:
        if not (client := free.pop()).closing:
            return client
    return None


def main() -> None:
    """Send and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--path", default="/recommend")
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--users", default="user-{}", help="user ids; {} is 1 to 1000")
    options = parser.parse_args()
    requests = requests_for(options.url, options.path, user_ids(options.users))
    gc.disable()  # its pauses would stand in the latencies
    arrived = asyncio.run(arrive(options.url, requests, rate=options.rate, seconds=options.seconds))
    print(json.dumps(vars(arrived)))


if __name__ == "__main__":
    main()
