"""Run as a program: ingest a landing zone and die by SIGKILL in the middle of the commit.

    python -m tests.data.killed_commit ROOT STEP

STEP counts the steps of the commit: files moved, journal written, tables published.
"""

import os
import signal
import sys
from pathlib import Path

from kinoloop import durable
from kinoloop.data import commit
from tests.data.landing_zone import Zone

STEPS = (
    (commit, "remember_key"),
    (durable, "write_json"),
    (durable, "move"),
    (commit, "_add_action"),
    (commit, "_ledger"),
    (commit, "_publish"),
)


def main(root: Path, last: int) -> None:
    left = last

    def counted(step):
        def run(*args, **kwargs):
            nonlocal left
            done = step(*args, **kwargs)
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return run

    for module, name in STEPS:
        setattr(module, name, counted(getattr(module, name)))
    Zone(root).ingest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
