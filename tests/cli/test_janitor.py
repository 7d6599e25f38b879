"""Against a real Prefect server: runs are put into the states that a kill leaves them in."""

import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from kinoloop.cli import backends, janitor

pytestmark = pytest.mark.slow


@pytest.fixture
def client(prefect_client):
    from prefect.client.schemas.actions import WorkPoolCreate

    pools = [pool.name for pool in prefect_client.read_work_pools()]
    if backends.POOL not in pools:
        prefect_client.create_work_pool(WorkPoolCreate(name=backends.POOL, type="process"))
    yield prefect_client
    for run in janitor._under_way(prefect_client):
        prefect_client.delete_flow_run(run.id)


@pytest.fixture
def deployment(client):
    flow = client.create_flow_from_name("ingest")
    name = f"ingest-{uuid.uuid4().hex[:8]}"
    made = client.create_deployment(
        flow, name, work_pool_name=backends.POOL, concurrency_limit=1, parameters={"x": 1}
    )
    return client.read_deployment(made)


@pytest.fixture
def run(client, deployment):
    """Makes a run of the deployment that has begun."""

    def make(*states):
        from prefect import states as known

        run = client.create_flow_run_from_deployment(deployment.id, parameters={"x": 2})
        for state in states or ("Pending", "Running"):
            answer = client.set_flow_run_state(run.id, getattr(known, state)())
            assert answer.status == "ACCEPT", answer
        return client.read_flow_run(run.id)

    return make


@pytest.fixture
def process():
    """Starts a process that carries the number of a run."""
    started = []

    def start(run):
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"],
                env={janitor.RUN: str(run.id)},
                stdout=subprocess.PIPE,
            )
        )
        started[-1].stdout.readline()
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def _state(client, run):
    return client.read_flow_run(run.id).state_type.name


def _held(client, deployment):
    limit = client.read_deployment(deployment.id).global_concurrency_limit
    return limit.active_slots


def _runs(client, deployment):
    return [r for r in client.read_flow_runs() if r.deployment_id == deployment.id]


@pytest.mark.parametrize("states", [("Pending",), ("Pending", "Running")])
def test_run_of_a_dead_process_is_crashed_gives_its_place_back_and_runs_again(
    client, deployment, run, states
):
    left = run(*states)
    assert _held(client, deployment) == 1
    (said,) = janitor.Janitor().clear_up()
    assert _state(client, left) == "CRASHED"
    assert _held(client, deployment) == 0
    (again,) = [r for r in _runs(client, deployment) if r.id != left.id]
    assert again.state_type.name == "SCHEDULED"
    assert again.parameters == {"x": 2}
    assert said == f"ingest ({left.name}) was interrupted; it runs again as {again.name}"
    assert janitor.Janitor().clear_up() == []


def test_run_whose_process_lives_is_left_alone(client, deployment, run, process):
    living = run()
    process(living)
    keeper = janitor.Janitor()
    assert keeper.clear_up() == []
    keeper.sweep()
    keeper.sweep()
    assert _state(client, living) == "RUNNING"
    assert _held(client, deployment) == 1


def test_process_that_dies_while_all_is_up_is_noticed_at_the_second_look(
    client, deployment, run, process
):
    living = run()
    its = process(living)
    keeper = janitor.Janitor()
    keeper.sweep()
    its.kill()
    its.wait()
    keeper.sweep()
    assert _state(client, living) == "RUNNING"  # its worker comes first, and knows the exit status
    keeper.sweep()
    assert _state(client, living) == "CRASHED"
    assert _held(client, deployment) == 0


def test_run_that_the_worker_is_just_starting_is_the_workers(client, run):
    keeper = janitor.Janitor()
    starting = run("Pending")
    keeper.sweep()
    keeper.sweep()
    assert _state(client, starting) == "PENDING"


def test_run_that_was_being_cancelled_is_cancelled_and_not_started_again(client, deployment, run):
    left = run("Pending", "Running", "Cancelling")
    janitor.Janitor().clear_up()
    assert _state(client, left) == "CANCELLED"
    assert _held(client, deployment) == 0
    assert len(_runs(client, deployment)) == 1


def test_flow_inside_of_another_dies_with_it(client, run):
    from prefect import flow, states
    from prefect.tasks import Task

    left = run()
    task = client.create_task_run(Task(lambda: None, name="inner"), left.id, dynamic_key="0")
    inner = client.create_flow_run(
        flow(lambda: None, name="inner"), parent_task_run_id=task.id, state=states.Running()
    )
    janitor.Janitor().clear_up()
    assert _state(client, left) == "CRASHED"
    assert _state(client, inner) == "CRASHED"


def test_place_that_no_run_holds_is_given_back(client, deployment):
    from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

    name = deployment.global_concurrency_limit.name
    client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(active_slots=1))
    janitor.Janitor().clear_up()
    assert _held(client, deployment) == 0


def test_run_that_may_be_on_another_machine_is_left_alone_until_it_is_silent(
    client, deployment, run, monkeypatch
):
    monkeypatch.setattr(janitor, "_is_alone", lambda _client: False)
    far = run()
    keeper = janitor.Janitor()
    assert keeper.clear_up() == []
    keeper.sweep()
    keeper.sweep()
    assert _state(client, far) == "RUNNING"
    monkeypatch.setattr(janitor, "SILENCE_S", 0.0)
    keeper.sweep()
    keeper.sweep()
    assert _state(client, far) == "CRASHED"
    assert _held(client, deployment) == 0


def test_heartbeat_is_a_sign_of_life(client, run):
    from prefect.events import Event

    far, silent = run(), run("Running")
    for one in (far, silent):
        one.state.timestamp = datetime.now(UTC) - timedelta(days=1)
    heard = Event(
        event=janitor.HEARTBEAT, resource={"prefect.resource.id": f"prefect.flow-run.{far.id}"}
    )
    # to this server: `emit_event` goes to the one that the process has first told something
    client._client.post("/events", json=[heard.model_dump(mode="json")]).raise_for_status()
    end = time.monotonic() + 1200
    while janitor._is_silent(client, far):
        assert time.monotonic() < end, "the heartbeat has not arrived"
        time.sleep(0.2)
    assert janitor._is_silent(client, silent)


def test_worker_of_another_machine_is_known_by_its_heartbeat(client, monkeypatch):
    from prefect.client.schemas.actions import WorkPoolCreate

    monkeypatch.setattr(janitor, "POOL", "shared")
    client.create_work_pool(WorkPoolCreate(name="shared", type="process"))
    client.send_worker_heartbeat("shared", backends.worker_name(), 30)
    assert janitor._is_alone(client)
    client.send_worker_heartbeat("shared", "ProcessWorker of another machine", 30)
    assert not janitor._is_alone(client)
