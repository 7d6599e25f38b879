"""The collector's rounds over what has lived long come when no request waits.

By themselves they come while most is allocated, which is under the most requests, and a round over
all that a hundred requests hold keeps everybody waiting for 30 to 70 ms.
"""

import gc
import threading
import time
from collections.abc import Callable

LOOK_S = 1.0
COLLECT_S = 10.0
COLLECT_BUSY_S = 60.0
"""How often, and how often while requests never stop."""

NEVER = 2**31 - 1  # rounds over the younger objects


def only_when_asked() -> None:
    """Keep the collector from going over what has lived long by itself."""
    gc.set_threshold(*gc.get_threshold()[:2], NEVER)


def collect_when(idle: Callable[[], bool], *, stop: threading.Event) -> threading.Thread:
    """Collect from now on, in a thread that ends with the process.

    Args:
        idle: Whether no request is under way.
        stop: Ends it before.
    """
    thread = threading.Thread(target=_run, args=(idle, stop), name="collector", daemon=True)
    thread.start()
    return thread


def _run(idle: Callable[[], bool], stop: threading.Event) -> None:
    collected = time.monotonic()
    while not stop.wait(LOOK_S):
        if time.monotonic() - collected >= (COLLECT_S if idle() else COLLECT_BUSY_S):
            gc.collect()
            collected = time.monotonic()
