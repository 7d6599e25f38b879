"""What goes on beside the requests: feedback moves on, lineage reaches the disk, old things go.

One thread per worker. It ends with a last export, so that SIGTERM leaves nothing in the outbox.
"""

import logging
import threading
import time

from kinoloop.policy.config import PolicyConfig
from serving import metrics
from serving.config import ServingConfig
from serving.outbox import Outbox
from serving.records import Records
from serving.state import LiveState

logger = logging.getLogger(__name__)

SYNC_S = 1.0
FORGET_S = 3600.0


class Housekeeping:
    """Runs until closed.

    Args:
        config: How often, and what is old.
        state: Live events.
        outbox: Of `state`.
        records: Of this worker.
        policy: How long what was shown is remembered.
    """

    def __init__(
        self,
        config: ServingConfig,
        *,
        state: LiveState,
        outbox: Outbox,
        records: Records,
        policy: PolicyConfig,
    ) -> None:
        self._config, self._state, self._outbox = config, state, outbox
        self._records, self._policy = records, policy
        self._next_export = self._next_forget = 0.0
        self._next_impressions = time.monotonic() + config.impressions_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Export what waits and end the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(SYNC_S):
            self._records.lineage.sync()
            self._records.flush()
            if time.monotonic() >= self._next_export:
                self._export()
                self._next_export = time.monotonic() + self._config.export_s
            if time.monotonic() >= self._next_impressions:
                self._export_impressions()
                self._next_impressions = time.monotonic() + self._config.impressions_s
            if time.monotonic() >= self._next_forget:
                self._forget()
                self._next_forget = time.monotonic() + FORGET_S
        self._export()
        self._records.flush()
        self._export_impressions()
        self._records.lineage.close()
        self._state.close()

    def _export(self) -> None:
        try:
            if exported := self._outbox.export():
                metrics.EXPORTED.inc(exported)
            metrics.PENDING.set(self._outbox.pending())
        except Exception:
            logger.exception("feedback could not be exported; it stays in the outbox")

    def _export_impressions(self) -> None:
        try:
            self._records.impressions.export()
        except Exception:
            logger.exception("impressions could not be exported; they stay in the spool")

    def _forget(self) -> None:
        try:
            events = self._state.forget_before(_ago(self._config.live_days))
            self._state.forget_shown(_ago(self._policy.fatigue_days))
            segments = self._records.lineage.forget()
            if events or segments:
                logger.info("forgot %d live events, %d lineage files", events, segments)
            metrics.forget_dead_workers()
        except Exception:
            logger.exception("old things could not be deleted; trying again in an hour")


def _ago(days: float) -> int:
    """µs since the epoch, so many days ago."""
    return round((time.time() - days * 86_400) * 1e6)
