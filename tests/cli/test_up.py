"""`kinoloop up` with the real servers: all answer, every flow is deployed, nothing is left."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import psutil
import pytest

FLOWS = {"ingest", "extract", "drift", "retrain", "promote", "loop"}


def _free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture
def ports():
    return dict(zip(("SERVICE", "MLFLOW", "PREFECT"), _free_ports(3), strict=True))


def _deployed(api, token):
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    ours = {PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: token}
    with temporary_settings(ours), get_client(sync_client=True) as client:
        return {deployment.name for deployment in client.read_deployments()}


@pytest.mark.slow
@pytest.mark.e2e
def test_up_starts_everything_deploys_every_flow_and_leaves_nothing_behind(tmp_path, ports):
    variables = {
        **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
        **{f"KINOLOOP_{name}_PORT": str(port) for name, port in ports.items()},
        "KINOLOOP_STATE_DIR": str(tmp_path / "state"),
        "KINOLOOP_DATA_DIR": str(tmp_path / "data"),
        "KINOLOOP_LANDING": str(tmp_path / "landing"),
    }
    output = tmp_path / "up.txt"
    with output.open("wb") as said:
        up = subprocess.Popen(
            [sys.executable, "-m", "cli", "up"], env=variables, stdout=said, stderr=said
        )
    try:
        while "Ctrl-C stops everything" not in output.read_text():
            assert up.poll() is None, output.read_text()
            time.sleep(0.5)
        assert httpx.get(f"http://127.0.0.1:{ports['SERVICE']}/livez").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{ports['MLFLOW']}/health").status_code == 200
        api = f"http://127.0.0.1:{ports['PREFECT']}/api"
        assert httpx.post(f"{api}/deployments/filter", json={}).status_code == 403
        assert _deployed(api, (tmp_path / "state" / "prefect.token").read_text().strip()) == FLOWS
        addresses = re.findall(r"http://127\.0\.0\.1:(\d+)", output.read_text())
        assert set(map(str, ports.values())) <= set(addresses)
        below = psutil.Process(up.pid).children(recursive=True)
        assert len(below) >= 8  # a leash and a server each, at least
        up.send_signal(signal.SIGINT)
        assert up.wait() == 0, output.read_text()
        _, left = psutil.wait_procs(below, timeout=15)
        assert not left
    finally:
        if up.poll() is None:
            up.kill()  # the leashes notice
            up.wait()
