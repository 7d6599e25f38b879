"""DVC as a command, with a cache folder of its own that nobody else can write to."""

import os
import subprocess
import sys
from pathlib import Path

from kinoloop.environment import Environment
from kinoloop.errors import DataError


def dvc(environment: Environment, *arguments: str, cwd: Path) -> None:
    """Run DVC; of two at once the second waits for the lock of the repository.

    Between calls DVC keeps pickles in a folder that it shares with every user of the machine and
    makes writable for all of them (`/var/tmp/dvc`): whoever writes there runs code as whoever
    calls DVC. Ours is in the state folder, mode 0700.

    Args:
        environment: Names the state folder.
        arguments: After `dvc`.
        cwd: Where to run it.

    Raises:
        DataError: DVC failed; the message ends with what it said.
    """
    cache = environment.private_state().resolve() / "dvc"
    cache.mkdir(mode=0o700, exist_ok=True)
    cache.chmod(0o700)
    done = subprocess.run(  # noqa: S603 (our own arguments)
        [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments],
        cwd=cwd,
        env={**os.environ, "DVC_SITE_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or "it said nothing"
        raise DataError(f"`dvc {' '.join(arguments)}` in {cwd} failed: {said}")
