"""Two services on one Redis behind a client that asks them in turns, against one service on SQLite.

    python -m benchmarks.several_machines
    python -m benchmarks.several_machines --fsync everysec --requests 500

A user's slate is asked for at one service, its first video liked at the next, and the next slate
asked for at the one after: a slate that still has a video that was liked before is a miss. The
three services run at the same time, one worker each, and both set-ups are asked in turns, so that
the machine is as busy for one as for the other. Prints p50 and p99 of slates and of acknowledged
feedback, milliseconds, and misses.
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.many_users import Asked
from kinoloop.testing.redis_server import redis_server
from kinoloop.testing.service import running, synthetic_bundle

SETTINGS = "[serving]\nworkers = 1\nspare_workers = 0\n"
TOP_K = 10


class Visit:
    """One user who is shown slates and likes the first video of each.

    Args:
        turns: Services, asked one after the other.
        user: Id.
    """

    def __init__(self, turns: Iterator[Asked], user: str) -> None:
        self._turns, self._user = turns, user
        self._liked: set[str] = set()
        self.misses = 0

    def go_on(self) -> tuple[float, float]:
        """See a slate and like its first video; milliseconds of both."""
        body = {"user_id": self._user, "top_k": TOP_K}
        content, slate_ms = _timed(next(self._turns), "/recommend", body)
        shown = [place["video_id"] for place in json.loads(content)["slate"]]
        self.misses += len(self._liked & set(shown))
        self._liked.add(shown[0])
        event = {"user_id": self._user, "video_id": shown[0], "event": "like"}
        _, feedback_ms = _timed(next(self._turns), "/feedback", {"events": [event]})
        next(self._turns)  # so that every service gets as many slates as feedback
        return slate_ms, feedback_ms


def _timed(client: Asked, path: str, body: object) -> tuple[bytes, float]:
    started = time.perf_counter()
    content = client.post(path, json.dumps(body).encode())
    return content, (time.perf_counter() - started) * 1e3


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kind", default="item_knn", help="recommender of the made release")
    parser.add_argument("--requests", type=int, default=300, help="slates of each set-up")
    parser.add_argument("--fsync", default="always", choices=("always", "everysec", "no"))
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        bundle = synthetic_bundle(folder / "bundle", kind=wanted.kind)
        settings = folder / "kinoloop.toml"
        settings.write_text(SETTINGS)
        redis = stack.enter_context(
            redis_server(folder / "redis", "--appendonly", "yes", "--appendfsync", wanted.fsync)
        )

        def service(at: str, **given: str) -> Asked:
            given |= {"KINOLOOP_SETTINGS_FILE": str(settings)}
            return Asked(stack.enter_context(running(folder / at, bundle=bundle, **given)))

        shared = [service(at, KINOLOOP_STATE_URL=redis.url) for at in ("one", "other")]
        alone = [service("alone")]
        took = measured({"Redis": shared, "SQLite": alone}, requests=wanted.requests)
    print(f"{wanted.requests} slates each, in turns; Redis syncs {wanted.fsync}")
    for title, (times, misses) in took.items():
        slate, feedback = (np.percentile(column, [50, 99]) for column in zip(*times, strict=True))
        print(
            f"  {title:<7} /recommend p50 {slate[0]:6.2f}  p99 {slate[1]:6.2f}   "
            f"/feedback p50 {feedback[0]:6.2f}  p99 {feedback[1]:6.2f} ms   misses {misses}"
        )


def measured(
    services: dict[str, list[Asked]], *, requests: int
) -> dict[str, tuple[list[tuple[float, float]], int]]:
    """Visit the services of each set-up, set-ups in turns; milliseconds and misses of each."""
    took: dict[str, tuple[list[tuple[float, float]], int]] = {}
    turns = {title: itertools.cycle(clients) for title, clients in services.items()}
    for title in turns:
        took[title] = ([], 0)
        for _ in range(3):
            Visit(turns[title], "warm").go_on()
    for number in range(requests // 20):
        visits = {title: Visit(turns[title], f"visitor-{number}") for title in turns}
        for _ in range(20):
            for title, visit in visits.items():
                took[title][0].append(visit.go_on())
        for title, visit in visits.items():
            took[title] = (took[title][0], took[title][1] + visit.misses)
    return took


if __name__ == "__main__":
    main()
