"""The load generator of `kinoloop.testing.load` in a process of its own.

It prints one JSON line:

    python -m benchmarks.harness.load --url http://127.0.0.1:3000 --path /noop --clients 16
"""

import argparse
import asyncio
import json
import time
from dataclasses import asdict

from kinoloop.testing.load import Load, load, requests_for, user_ids


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--path", default="/recommend")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--pause-ms", type=float, default=0.0)
    parser.add_argument("--users", default="user-{}", help="user ids; {} is 1 to 1000")
    parser.add_argument("--every", action="store_true", help="print every latency")
    arguments = parser.parse_args()
    users = user_ids(arguments.users)
    started = time.perf_counter()
    good, failed = asyncio.run(
        load(
            arguments.url,
            requests_for(arguments.url, arguments.path, users),
            clients=arguments.clients,
            seconds=arguments.seconds,
            pause_s=arguments.pause_ms / 1000,
        )
    )
    seconds = time.perf_counter() - started
    if arguments.every:
        print(json.dumps({"good": good, "failed": failed}))
        return
    print(json.dumps(asdict(Load.of([latency for _, latency in good], failed, seconds))))


if __name__ == "__main__":
    main()
