"""The upload trigger of `kinoloop up`: a new file of videos is ingested now, not within the hour.

It looks at names, sizes and times in `videos/` of the landing zone, no content. A file counts as
there when two looks find it unchanged. What follows is what follows each ingest: extract, publish.
"""

import logging
import threading

from prefect.deployments import run_deployment
from prefect.exceptions import PrefectException

from kinoloop.environment import Environment
from kinoloop.ingestion.landing import open_landing, stamp_of

logger = logging.getLogger(__name__)

Listing = dict[str, str]


class LandingWatch:
    """Starts an ingest when files of videos have come.

    Args:
        environment: Names the landing zone.
        every_s: Seconds between two looks.
    """

    def __init__(self, environment: Environment, every_s: float) -> None:
        self._landing, self._every_s = environment.landing, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="landing", daemon=True)

    def start(self) -> None:
        """Look from now on; what is there already waits for the next scheduled ingest."""
        self._thread.start()

    def close(self) -> None:
        """Look no longer."""
        self._stop.set()

    def _run(self) -> None:
        taken = last = self.look()
        while not self._stop.wait(self._every_s):
            now = self.look()
            if now != taken and now == last:
                taken = now
                self.trigger()
            last = now

    def look(self) -> Listing:
        """Name, size and time of each file of videos; nothing where it cannot be seen now."""
        try:
            files, root = open_landing(self._landing)
            files.invalidate_cache()
            folder = f"{root.rstrip('/')}/videos"
            found = files.find(folder) if files.isdir(folder) else []
            return {path: stamp_of(files, path) for path in found if "/." not in path}
        except OSError as err:
            logger.warning("the landing zone cannot be seen: %s", type(err).__name__)
            return {}

    def trigger(self) -> None:
        """Start the deployment of ingest, which takes its turn, and return at once."""
        try:
            run_deployment("ingest/ingest", timeout=0)
        except (PrefectException, OSError) as err:
            logger.warning("an ingest could not be started, the hourly one comes: %s", err)
