"""Runs whose process is gone: nobody else frees their place for the next one.

Prefect lets one run of a flow at a time take its place, and the run itself gives it back. A run
that was killed with its worker (a stopped `kinoloop up`, a power cut) never does: it stays
`Running`, and each later run is cancelled or waits. The janitor looks at what is said to run, and
marks as crashed what has no process any more. It decides by evidence, never by a guess:

- A process on this machine carries the run's number: it lives.
- Only this machine's worker has served the pool for a day: a run without such a process is dead.
- Otherwise the run may be on another machine, or in somebody's terminal: it is dead when neither a
  change of state nor a heartbeat has come from it for `SILENCE_S` of a time that we were up.

A flow inside another one lives and dies with it.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import (
    EventFilter,
    EventNameFilter,
    EventOccurredFilter,
    EventResourceFilter,
)
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Crashed

from kinoloop.cli.backends import POOL, worker_name
from kinoloop.ownership import environments

logger = logging.getLogger(__name__)

LOOK_S = 15.0
RUN = "PREFECT__FLOW_RUN_ID"  # in the environment of each process of a deployment's run
HEARTBEAT = "prefect.flow-run.heartbeat"  # every 30 s, see backends.py
SILENCE_S = 600.0  # twenty heartbeats, and twice as long as a place is kept without being renewed
FOREIGN_S = 86400.0
PAGE = 200
UNDER_WAY = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)


class Janitor:
    """Clears up after runs that died, on the Prefect server that the environment names."""

    def __init__(self) -> None:
        self._suspected: set[UUID] = set()
        self._since = datetime.now(UTC)

    def clear_up(self) -> list[str]:
        """Before the worker starts: crash what died with the last one, and start it again.

        Returns:
            What was done, a line each, for people.
        """
        said = []
        with get_client(sync_client=True) as client:
            dead = list(self._dead(client, _under_way(client)))
            for run in dead:
                _bury(client, run)
            again: set[UUID] = set()
            for run in dead:
                line = f"{client.read_flow(run.flow_id).name} ({run.name}) was interrupted"
                if run.deployment_id and not _is_cancelling(run) and run.deployment_id not in again:
                    again.add(run.deployment_id)
                    line += f"; it runs again as {_start_again(client, run).name}"
                said.append(line)
            _free_places(client, _under_way(client))
        return said

    def start(self) -> None:
        """Look every `LOOK_S` from now on, in a thread of its own."""
        threading.Thread(target=self._keep_looking, name="janitor", daemon=True).start()

    def _keep_looking(self) -> None:
        pause = threading.Event()
        while not pause.wait(LOOK_S):
            try:
                self.sweep()
            except (httpx.HTTPError, PrefectException) as err:
                logger.info("Prefect did not answer the janitor, who comes again: %s", err)

    def sweep(self) -> None:
        """While all is up: crash what has had no process twice in a row."""
        with get_client(sync_client=True) as client:
            # what is pending is the worker's: it makes the process, or says why not
            runs = [run for run in _under_way(client) if not self._is_being_started(run)]
            dead = list(self._dead(client, runs))
            for run in dead:
                if run.id in self._suspected:
                    _bury(client, run)
                    logger.warning("the process of run %s is gone: it has crashed", run.name)
            self._suspected = {run.id for run in dead}

    def _has_listened(self) -> bool:
        return datetime.now(UTC) - self._since > timedelta(seconds=SILENCE_S)

    def _is_being_started(self, run: FlowRun) -> bool:
        return run.state_type == StateType.PENDING and _changed(run) >= self._since

    def _dead(self, client: SyncPrefectClient, runs: list[FlowRun]) -> Iterator[FlowRun]:
        """Yield the runs that have no process; those inside of other runs are left out."""
        here = {environment.get(RUN) for _, environment in environments()}
        alone = _is_alone(client)
        for run in runs:
            if run.parent_task_run_id is not None or str(run.id) in here:
                continue
            known = run.deployment_id is not None and alone
            if known or (self._has_listened() and _is_silent(client, run)):
                now = client.read_flow_run(run.id)  # it may have ended while we looked
                if now.state_type in UNDER_WAY:
                    yield now


def _under_way(client: SyncPrefectClient) -> list[FlowRun]:
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[*UNDER_WAY])))
    found: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_run_filter=wanted, sort=FlowRunSort.ID_DESC, limit=PAGE, offset=len(found)
        )
        found += page
        if len(page) < PAGE:
            return found


def _is_alone(client: SyncPrefectClient) -> bool:
    """Whether no other machine's worker has been seen lately."""
    recently = datetime.now(UTC) - timedelta(seconds=FOREIGN_S)
    return not any(
        worker.name != worker_name()
        and worker.last_heartbeat_time is not None
        and worker.last_heartbeat_time > recently
        for worker in client.read_workers_for_work_pool(POOL)
    )


def _is_silent(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Whether nothing has come from a run for so long that it cannot live."""
    since = datetime.now(UTC) - timedelta(seconds=SILENCE_S)
    if _changed(run) > since:
        return False
    heard = client.read_events(
        filter=EventFilter(
            event=EventNameFilter(name=[HEARTBEAT]),
            resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
            occurred=EventOccurredFilter(since=since),
        ),
        limit=1,
    )
    return not heard.events


def _changed(run: FlowRun) -> datetime:
    return run.state.timestamp if run.state is not None else datetime.min.replace(tzinfo=UTC)


def _is_cancelling(run: FlowRun) -> bool:
    return run.state_type == StateType.CANCELLING


def _bury(client: SyncPrefectClient, run: FlowRun) -> None:
    """Mark a run, and those inside of it, as what they are."""
    why = "Its process is gone: it was stopped, or the machine was."
    for child in _inside(client, [run]):
        client.set_flow_run_state(child.id, Crashed(message=why), force=True)
    state: State[Any] = (Cancelled if _is_cancelling(run) else Crashed)(message=why)
    client.set_flow_run_state(run.id, state)


def _inside(client: SyncPrefectClient, runs: Iterable[FlowRun]) -> list[FlowRun]:
    wanted = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run.id for run in runs]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[*UNDER_WAY])),
    )
    children = client.read_flow_runs(flow_run_filter=wanted, limit=PAGE)
    return [*(_inside(client, children) if children else []), *children]


def _start_again(client: SyncPrefectClient, run: FlowRun) -> FlowRun:
    """Run the same deployment with the same parameters; what was done before is not done twice."""
    assert run.deployment_id is not None
    return client.create_flow_run_from_deployment(
        run.deployment_id, parameters=run.parameters, idempotency_key=f"after-{run.id}"
    )


def _free_places(client: SyncPrefectClient, runs: list[FlowRun]) -> None:
    """Give back places that nobody holds: a kill can come between a place and its run."""
    for deployment in client.read_deployments(limit=PAGE):
        limit = deployment.global_concurrency_limit
        held = sum(run.deployment_id == deployment.id for run in runs)
        if limit is not None and limit.active_slots > held:
            client.update_global_concurrency_limit(
                limit.name, GlobalConcurrencyLimitUpdate(active_slots=held)
            )
            logger.warning("%s: a place that no run held is free again", deployment.name)
