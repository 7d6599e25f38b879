import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
import yaml

from flows.bento import bento
from flows.promote import promote
from flows.retrain import retrain
from kinoloop.cli.machine_checks import ROOT, pins_of
from kinoloop.errors import BundleError, RegistryError
from kinoloop.registry.packaging import REQUIREMENTS
from tests.flows.conftest import damage


def test_without_a_champion_there_is_nothing_to_build(environment):
    with pytest.raises(RegistryError, match="no champion to build a Bento from"):
        bento()


def test_a_damaged_champion_is_not_built(environment, registry):
    retrain()
    promote()
    damage(environment, registry.champion())
    with pytest.raises(BundleError, match=r"golden\.json changed"):
        bento()


def test_a_refusal_of_bentoml_is_said(environment, monkeypatch, tmp_path):
    import tasks.bento

    recipe = tmp_path / "bentofile.yaml"
    recipe.write_text('service: "serving.no_such_module:Kinoloop"\nname: kinoloop\n')
    monkeypatch.setattr(tasks.bento, "RECIPE", recipe)
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
    away = tmp_path / "away" / "bento"
    shutil.copytree(built, away)
    names = {p.name for p in away.rglob("*")}
    assert "bundle.json" in names
    assert not names & {"tasks", "flows", "cli", "events"}
    with _served("./bento", tmp_path, ready="readyz") as url:
        body = json.dumps({"user_id": "somebody", "top_k": 5}).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{url}/recommend", body, headers)
        with urllib.request.urlopen(asked) as answer:
            slate = json.load(answer)
    assert len(slate["slate"]) == 5
    assert slate["model_version"] == f"bundle-{registry.champion().digest[:12]}"


@pytest.mark.slow
@pytest.mark.e2e
def test_bentoml_builds_the_repository_and_serves_what_it_built(tmp_path):
    copy, home = tmp_path / "copy", tmp_path / "home"
    for part in ("kinoloop", "serving"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("bentofile.yaml", "kinoloop.toml"):
        shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "bentoml", "build", ".", "--version", "v1"]
    subprocess.run(
        command, cwd=copy, env=_variables(tmp_path) | {"BENTOML_HOME": str(home)}, check=True
    )
    shutil.copytree(home / "bentos" / "kinoloop" / "v1", tmp_path / "away" / "bento")
    with _served("./bento", tmp_path, ready="livez") as url:
        asked = urllib.request.Request(f"{url}/readyz")
        with pytest.raises(urllib.error.HTTPError, match="503"):  # no champion in its registry
            urllib.request.urlopen(asked)


def test_a_bento_asks_for_the_versions_that_are_locked():
    packages = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["python"]["packages"]
    pins = pins_of((ROOT / "requirements.lock").read_text())
    assert packages == [
        f"{name}=={pins[name]}" for name in sorted(p.split("==")[0] for p in packages)
    ]
    assert {p.split("==")[0] for p in packages} >= set(REQUIREMENTS)


def _variables(tmp_path):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("KINOLOOP_", "PYTHON"))}
    return clean | {
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "KINOLOOP_STATE_DIR": str(tmp_path / "served-state"),
        "KINOLOOP_LANDING": str(tmp_path / "landing"),
    }


@contextlib.contextmanager
def _served(folder, tmp_path, *, ready):
    """`bentoml serve` away from the repository, by the relative path of a built Bento."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bentoml", "serve", folder, "--working-dir", "."]
    log = (tmp_path / "serve.log").open("wb")
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)], cwd=tmp_path / "away",
        env=_variables(tmp_path), stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{url}/{ready}", server, tmp_path / "serve.log")
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=600)
        log.close()


def _wait(url, server, log, *, seconds=1200):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.5)
    pytest.fail(f"{url} is not ready: {log.read_text()[-3000:]}")
