"""An upload on its way from the landing zone to a slate of the real service."""

import time

import httpx
import pytest
from rich.console import Console

from flows.loop import loop
from kinoloop.cli.upload_show import UPLOAD, show_upload
from kinoloop.environment import Environment
from kinoloop.registry.client import ModelRegistry
from kinoloop.testing.drifting import make_world, write_landing
from kinoloop.testing.service import running
from tests.flows.conftest import SETTINGS


@pytest.mark.slow
def test_an_upload_reaches_a_slate_without_another_training(
    tmp_path, monkeypatch, settings, prefect_server
):
    folders = {f"KINOLOOP_{name.upper()}_DIR": str(tmp_path / name) for name in ("data", "state")}
    folders["KINOLOOP_LANDING"] = str(tmp_path / "landing")
    folders["KINOLOOP_SETTINGS_FILE"] = str(tmp_path / "kinoloop.toml")
    for name, value in folders.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KINOLOOP_MLFLOW_URI", raising=False)
    settings(SETTINGS.replace("encoders = []", 'encoders = [{ kind = "minilm" }]'))
    write_landing(make_world(1, users=60, drift_from=28), tmp_path / "landing")
    assert loop().promote.outcome == "promoted"
    registry = ModelRegistry(Environment().tracking_uri)
    champion = registry.champion()
    console = Console(record=True, width=200)
    with running(tmp_path / "state", **folders) as url:
        monkeypatch.setenv("KINOLOOP_SERVICE_PORT", url.rpartition(":")[2])
        show_upload(Environment(), console)
        show_upload(Environment(), console)
        end = time.monotonic() + 60
        while not (took := httpx.get(f"{url}/about", timeout=60).json()["uploads_s"]):
            assert time.monotonic() < end
            time.sleep(0.2)
        assert len(took) == 1
    said = console.export_text()
    assert f"by model version {champion.version}, which was not trained on it" in said
    assert f"{UPLOAD} came in an earlier run" in said
    assert registry.champion().version == champion.version
    assert registry.champion().catalogue
