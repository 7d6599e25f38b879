"""The upload trigger of `kinoloop up`: a new file of videos is ingested now, not within the hour.

It looks at names, sizes and times in `videos/` of the landing zone, no content. A file counts as
there when two looks find it unchanged, whatever else comes meanwhile. What follows is what follows
each ingest: extract, publish.
"""

import logging
import threading
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import TERMINAL_STATES, StateType
from prefect.exceptions import ObjectNotFound, PrefectException

from kinoloop.environment import Environment
from kinoloop.ingestion.landing import open_landing, stamp_of

logger = logging.getLogger(__name__)

Listing = dict[str, str]

NOT_BEGUN = {StateType.SCHEDULED, StateType.PENDING}
BROKEN_OFF = {StateType.CRASHED, StateType.CANCELLED}


class LandingWatch:
    """Starts an ingest when files of videos have come.

    Args:
        environment: Names the landing zone.
        every_s: Seconds between two looks.
    """

    def __init__(self, environment: Environment, every_s: float) -> None:
        self._landing, self._every_s = environment.landing, every_s
        self._taken: Listing = {}
        self._asked: UUID | None = None
        self._covered: Listing = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="landing", daemon=True)

    def start(self) -> None:
        """Look from now on; what is there already waits for the next scheduled ingest."""
        self._thread.start()

    def close(self) -> None:
        """Look no longer."""
        self._stop.set()

    def _run(self) -> None:
        self._taken = last = self.look()
        while not self._stop.wait(self._every_s):
            now = self.look()
            self.follow({path: at for path, at in now.items() if last.get(path) == at})
            last = now

    def follow(self, there: Listing) -> None:
        """See that an ingest takes up what is there; one at a time, so that none waits in line.

        A run that has not begun takes along what comes until then. What a run that broke off had
        to take is asked for again; what it refused or set aside is not.
        """
        try:
            if self._asked is not None and not self._has_ended(self._asked, there):
                return
            if any(self._taken.get(path) != at for path, at in there.items()):
                self._asked, self._covered = self.trigger(), there
        except (PrefectException, httpx.HTTPError, OSError) as err:
            logger.warning("an ingest could not be started, it is tried again: %s", err)

    def _has_ended(self, run: UUID, there: Listing) -> bool:
        state = self.state_of(run)
        if state in NOT_BEGUN:
            self._covered = there
        if state not in TERMINAL_STATES:
            return False
        if state not in BROKEN_OFF:
            self._taken = self._covered
        self._asked = None
        return True

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

    def trigger(self) -> UUID:
        """Start the deployment of ingest, and return its run at once."""
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name("ingest/ingest")
            return client.create_flow_run_from_deployment(deployment.id).id

    def state_of(self, run: UUID) -> StateType | None:
        """How far a run is; one that was deleted has broken off."""
        with get_client(sync_client=True) as client:
            try:
                return client.read_flow_run(run).state_type
            except ObjectNotFound:
                return StateType.CRASHED
