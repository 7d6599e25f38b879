"""`kinoloop up` with the real servers, cut off in the middle of a run, and up again."""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import polars as pl
import psutil
import pytest

FLOWS = {"ingest", "extract", "publish", "drift", "retrain", "promote", "loop"}


def _free_ports(count):
    """Below those that the kernel gives to clients: none takes one before its server starts."""
    found = []
    while len(found) < count:
        port = random.randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found


@pytest.fixture
def ports():
    return dict(zip(("SERVICE", "MLFLOW", "PREFECT"), _free_ports(3), strict=True))


@contextmanager
def _prefect(ports, state):
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    ours = {
        PREFECT_API_URL: f"http://127.0.0.1:{ports['PREFECT']}/api",
        PREFECT_API_AUTH_STRING: (state / "prefect.token").read_text().strip(),
    }
    with temporary_settings(ours), get_client(sync_client=True) as client:
        yield client


def _land(landing):
    """So many events that their ingest can be cut off."""
    (landing / "videos").mkdir(parents=True)
    (landing / "events").mkdir()
    (landing / "videos" / "v.csv").write_text("video_id,title\nv0,fox\nv1,owl\n")
    rows = pl.select(user_id=pl.int_range(400_000) % 5000).with_row_index("second")
    rows.select(
        pl.format("u{}", "user_id").alias("user_id"),
        pl.format("v{}", pl.col("user_id") % 2).alias("video_id"),
        (pl.col("second") + 1_760_000_000).alias("timestamp"),
        pl.lit("view").alias("event"),
    ).write_csv(landing / "events" / "e.csv")


class _Up:
    def __init__(self, tmp_path, ports):
        self.output = tmp_path / "up.txt"
        self.variables = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
            **{f"KINOLOOP_{name}_PORT": str(port) for name, port in ports.items()},
            "KINOLOOP_STATE_DIR": str(tmp_path / "state"),
            "KINOLOOP_DATA_DIR": str(tmp_path / "data"),
            "KINOLOOP_LANDING": str(tmp_path / "landing"),
        }

    def start(self):
        with self.output.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kinoloop.cli", "up"],
                env=self.variables,
                stdout=said,
                stderr=said,
            )
        while "Ctrl-C stops everything" not in self.said:
            assert self.process.poll() is None, self.said
            time.sleep(0.5)

    @property
    def said(self):
        return self.output.read_text()

    @property
    def below(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    @property
    def listening(self):
        """Addresses and ports at which anything that was started can be reached."""
        sockets = [c for p in self.below for c in p.net_connections("inet") if c.status == "LISTEN"]
        return {(socket.laddr.ip, socket.laddr.port) for socket in sockets}

    def cut_off(self):
        """As a power cut does: everything at once."""
        for process in (*self.below, psutil.Process(self.process.pid)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


@pytest.fixture
def up(tmp_path, ports):
    up = _Up(tmp_path, ports)
    yield up
    if up.process.poll() is None:
        up.process.kill()  # the supervisors notice
        up.process.wait()


@pytest.mark.slow
@pytest.mark.e2e
def test_up_starts_everything_runs_again_what_a_power_cut_ended_and_leaves_nothing_behind(
    tmp_path, ports, up
):
    state = tmp_path / "state"
    _land(tmp_path / "landing")
    up.start()
    assert httpx.get(f"http://127.0.0.1:{ports['SERVICE']}/livez").status_code == 200
    assert httpx.get(f"http://127.0.0.1:{ports['MLFLOW']}/health").status_code == 200
    api = f"http://127.0.0.1:{ports['PREFECT']}/api"
    assert httpx.post(f"{api}/deployments/filter", json={}).status_code == 403
    addresses = re.findall(r"http://127\.0\.0\.1:(\d+)", up.said)
    assert set(map(str, ports.values())) <= set(addresses)
    assert {address for address, _ in up.listening} == {"127.0.0.1"}
    assert set(ports.values()) <= {port for _, port in up.listening}
    assert len(up.below) >= 8  # a supervisor and a server each, at least

    with _prefect(ports, state) as client:
        assert {deployment.name for deployment in client.read_deployments()} == FLOWS
        ingest = client.read_deployment_by_name("ingest/ingest")
        asked = client.create_flow_run_from_deployment(ingest.id)
        while not (cut := client.read_flow_run(asked.id)).state.is_running():
            assert not cut.state.is_final(), cut.state
            time.sleep(0.2)
        up.cut_off()
    up.start()
    (again,) = re.findall(rf"ingest \({cut.name}\) was interrupted; it runs again as (.+)", up.said)
    with _prefect(ports, state) as client:
        assert client.read_flow_run(cut.id).state.is_crashed()
        (second,) = [run for run in client.read_flow_runs() if run.name == again]
        while not (run := client.read_flow_run(second.id)).state.is_final():
            time.sleep(0.5)
        assert run.state.is_completed(), run.state
        while client.read_deployment(ingest.id).global_concurrency_limit.active_slots:
            time.sleep(0.5)  # an hourly run may hold the place just now
    assert pl.read_delta(str(tmp_path / "data" / "events")).height == 400_000

    token = (state / "prefect.token").read_text().strip().encode()
    for file in filter(Path.is_file, state.rglob("*")):
        assert file.name == "prefect.token" or token not in file.read_bytes(), file
    below = up.below
    assert not any(token.decode() in " ".join(process.cmdline()) for process in below)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait() == 0, up.said
    _, left = psutil.wait_procs(below, timeout=600)
    assert not left
