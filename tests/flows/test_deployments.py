import os
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from flows.extract import extract
from flows.ingest import ingest
from flows.promote import promote
from flows.retrain import retrain
from kinoloop.testing.drifting import make_world, write_landing
from tasks.announce import announce_completion, announce_videos

REPOSITORY = Path(__file__).parents[2]
FLOWS = ["ingest", "extract", "publish", "drift", "retrain", "promote", "loop"]
SETTINGS = """
[extract]
encoders = [{ kind = "minilm" }]

[retrain]
min_interactions = 50
min_users = 5
validation_days = 4
test_days = 6
candidates = [{ kind = "popularity" }]

[ranker]
enabled = false

[drift]
tests = [{ kind = "mix", column = "event" }]
"""


def test_every_flow_has_a_deployment_that_runs_once_at_a_time_and_drops_no_run():
    deployments = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    assert [d["name"] for d in deployments] == FLOWS
    for deployment in deployments:
        name = deployment["name"]
        assert deployment["entrypoint"] == f"flows.{name}.{name}"
        assert deployment["work_pool"] == {"name": "kinoloop"}
        assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
        assert deployment["description"]
        assert "kinoloop" in deployment["tags"]


def test_every_trigger_waits_for_an_event_that_a_flow_announces():
    deployments = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    triggers = {d["name"]: trigger for d in deployments for trigger in d.get("triggers", [])}
    hooks = {
        ingest: announce_videos,
        extract: announce_completion,
        retrain: announce_completion,
        promote: announce_completion,
    }
    awaited = {"extract": [ingest], "publish": [ingest, extract, promote], "promote": [retrain]}
    assert set(triggers) == set(awaited)
    for name, flows in awaited.items():
        assert triggers[name]["expect"] == [f"kinoloop.{flow.name}.completed" for flow in flows]
        one = f"kinoloop.{flows[0].name}" if len(flows) == 1 else "kinoloop.*"
        assert triggers[name]["match"] == {"prefect.resource.id": one}
        assert all(hooks[flow] in flow.on_completion_hooks for flow in flows)


def test_prefect_yaml_names_no_machine():
    assert not re.search(r"(?m)^[^#]*\s/\w", (REPOSITORY / "prefect.yaml").read_text())


class Platform:
    """A Prefect server and a worker of its own, with every deployment of prefect.yaml."""

    def __init__(self, home):
        self.home = home
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.variables = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "KINOLOOP_"))},
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "KINOLOOP_DATA_DIR": str(home / "data"),
            "KINOLOOP_STATE_DIR": str(home / "state"),
            "KINOLOOP_LANDING": str(home / "landing"),
            "KINOLOOP_SETTINGS_FILE": str(home / "kinoloop.toml"),
            "OMP_NUM_THREADS": "1",
        }
        self.processes = []

    def start(self, *arguments, cwd):
        command = [sys.executable, "-m", "prefect", *arguments]
        with (self.home / f"{arguments[0]}.log").open("w") as log:
            process = subprocess.Popen(
                command, cwd=cwd, env=self.variables, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)

    def call(self, *arguments):
        command = [sys.executable, "-m", "prefect", *arguments]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=self.variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def platform(tmp_path):
    (tmp_path / "kinoloop.toml").write_text(SETTINGS)
    write_landing(make_world(1, users=60, drift_from=28), tmp_path / "landing")
    platform = Platform(tmp_path)
    platform.start(
        "server", "start", "--host", "127.0.0.1", "--port", str(platform.port), "--no-ui",
        cwd=tmp_path,
    )  # fmt: skip
    try:
        yield platform
    finally:
        platform.stop()


@pytest.fixture
def client(platform):
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    _wait_for(
        lambda: httpx.get(f"{platform.variables['PREFECT_API_URL']}/health").is_success,
        platform,
        passing=httpx.HTTPError,
    )
    with (
        temporary_settings({PREFECT_API_URL: platform.variables["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        yield client


def _wait_for(found, platform, *, passing=()):
    """As long as the machine needs, while the server and the worker run."""
    while True:
        try:
            if result := found():
                return result
        except passing:
            pass
        for process in platform.processes:
            assert process.poll() is None, process.args
        time.sleep(0.5)


def _completed(client, platform, name, *, scheduled=False):
    """The completed runs of a deployment, once there is one; a failed one fails the test."""
    deployment = client.read_deployment_by_name(f"{name}/{name}")

    def runs():
        found = [r for r in client.read_flow_runs(limit=200) if r.deployment_id == deployment.id]
        for run in found:
            assert not run.state.is_failed(), run.state
            assert not run.state.is_crashed(), run.state
        return [r for r in found if r.state.is_completed() and (r.auto_scheduled or not scheduled)]

    return _wait_for(runs, platform)


@pytest.mark.e2e
@pytest.mark.slow
def test_deployed_flows_start_each_other_and_by_the_clock(platform, client):
    from prefect.client.schemas.schedules import IntervalSchedule

    platform.call("work-pool", "create", "kinoloop", "--type", "process")
    platform.call("--no-prompt", "deploy", "--all")
    platform.call("--no-prompt", "deploy", "--all")  # again: updates, and doubles nothing
    assert len(client.read_deployments()) == len(FLOWS)
    hourly = client.read_deployment_by_name("ingest/ingest")
    assert [schedule.schedule.cron for schedule in hourly.schedules] == ["7 * * * *"]
    platform.start("worker", "start", "--pool", "kinoloop", "--type", "process", cwd=platform.home)

    every = IntervalSchedule(interval=timedelta(seconds=60))
    client.create_deployment_schedules(hourly.id, [(every, True)])
    (first, *_) = _completed(client, platform, "ingest", scheduled=True)
    assert first.auto_scheduled
    for schedule in client.read_deployment_schedules(hourly.id):
        client.update_deployment_schedule(hourly.id, schedule.id, active=False)
    _completed(client, platform, "extract")

    platform.call("deployment", "run", "drift/drift")
    _completed(client, platform, "drift")
    _completed(client, platform, "retrain")
    _completed(client, platform, "promote")

    artifacts = {a.key for a in client.read_artifacts()}
    assert {"drift", "ingest-batch"} <= artifacts
    assert not {key for key in artifacts if key and key.startswith("failed-")}
    assert list((platform.home / "state" / "reports").glob("drift-*.html"))
