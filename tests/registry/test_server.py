"""The adapter against a real MLflow server, as on a cluster: artifacts go through it, too."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from kinoloop.errors import RegistryError
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.runs import Runs
from kinoloop.release.release import Release
from tests.release import tiny


@pytest.fixture
def server(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}",
        "--artifacts-destination", (tmp_path / "artifacts").as_uri(),
    ]  # fmt: skip
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(f"{url}/health", process)
            yield url, process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(url, process, *, seconds=1200):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.5)
    pytest.fail("the MLflow server did not start")


@pytest.mark.slow
@pytest.mark.e2e
def test_register_promote_download_over_http_and_fail_fast_when_it_is_gone(
    server, make_bundle, tmp_path
):
    url, process = server
    registry, runs = ModelRegistry(url), Runs(url)
    assert registry.champion() is None
    run_id = runs.start("winner", key="k", params={"kind": "tiny"}, tags={})
    runs.log_metrics(run_id, [("ndcg@10", 0.5, 0)])
    version = registry.register(make_bundle("one"), run_id=run_id, tags={})
    registry.set_alias("champion", version.version)
    assert registry.champion() == version
    Release.open(registry.download(version, tmp_path / "cache", trust=tiny.TRUST)).check()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    started = time.monotonic()
    with pytest.raises(RegistryError, match="look up the champion"):
        registry.champion()
    assert time.monotonic() - started < 120  # MLflow itself would try for four minutes
    assert registry.download(version, tmp_path / "cache", trust=tiny.TRUST).exists()
