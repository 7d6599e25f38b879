import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from flows.bento import bento
from flows.promote import promote
from flows.retrain import retrain
from kinoloop.errors import BundleError, RegistryError


def test_without_a_champion_there_is_nothing_to_build(environment):
    with pytest.raises(RegistryError, match="no champion to build a Bento from"):
        bento()


def test_a_damaged_champion_is_not_built(environment, registry):
    retrain()
    promote()
    (environment.state_dir / "releases" / registry.champion().digest / "golden.json").write_text("")
    with pytest.raises(BundleError, match=r"golden\.json changed"):
        bento()


def test_a_refusal_of_bentoml_is_said(environment, monkeypatch):
    import tasks.bento

    monkeypatch.setattr(tasks.bento, "STAGED", ("kinoloop",))
    retrain()
    promote()
    with pytest.raises(BundleError, match=r"`bentoml build` of version v1-[0-9a-f]{12} failed: "):
        bento()


@pytest.mark.slow
@pytest.mark.e2e
def test_a_bento_serves_the_champion_away_from_the_repository(environment, registry, tmp_path):
    retrain()
    promote()
    built = bento()
    assert bento() == built
    away = tmp_path / "away"
    shutil.copytree(built, away)
    names = {p.name for p in away.rglob("*")}
    assert "bundle.json" in names
    assert not names & {"tasks", "flows", "cli", "events"}
    with _served(away, tmp_path) as url:
        body = json.dumps({"user_id": "somebody", "top_k": 5}).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{url}/recommend", body)) as answer:
            slate = json.load(answer)
    assert len(slate["slate"]) == 5
    assert slate["model_version"] == f"bundle-{registry.champion().digest[:12]}"


@contextlib.contextmanager
def _served(folder, tmp_path):
    """`bentoml serve` in an empty folder, with nothing of the repository in reach."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "empty").mkdir()
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("KINOLOOP_", "PYTHON"))}
    variables |= {
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "KINOLOOP_STATE_DIR": str(tmp_path / "served-state"),
        "KINOLOOP_LANDING": str(tmp_path / "landing"),
    }
    command = [sys.executable, "-m", "bentoml", "serve", str(folder), "--port", str(port)]
    log = (tmp_path / "serve.log").open("wb")
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1"], cwd=tmp_path / "empty", env=variables,
        stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{url}/readyz", server, tmp_path / "serve.log")
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)
        log.close()


def _wait(url, server, log, *, seconds=180):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.5)
    pytest.fail(f"{url} is not ready: {log.read_text()[-3000:]}")
