"""One life of the service: born without a release, promoted, fed, drained."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.runs import Runs
from kinoloop.testing.load import load, requests_for
from kinoloop.testing.service import running
from tests.serving.conftest import Service


@pytest.mark.e2e
def test_starts_without_a_release_follows_the_champion_and_drains(tmp_path, bundle):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    settings = tmp_path / "kinoloop.toml"
    settings.write_text("[serving]\npoll_s = 0.3\nexport_s = 3600\n")
    with running(
        tmp_path / "state",
        wait_for="/livez",
        KINOLOOP_SETTINGS_FILE=str(settings),
        KINOLOOP_MLFLOW_URI=uri,
    ) as url:
        service = Service(url, tmp_path)
        empty = service.ask("/recommend", {"user_id": "u"})
        assert (empty.status, empty.body["error"]) == (503, "no_release")
        assert "kinoloop promote" in empty.body["next_step"]
        assert empty.headers["retry-after"]
        unready = service.ask("/readyz")
        assert (unready.status, unready.body["error"]) == (503, "no_release")
        assert service.ask("/").status == 200
        assert service.ask("/about").body["release"] is None
        events = [{"user_id": "early", "video_id": "v001", "event": "like"}]
        assert service.ask("/feedback", {"events": events}).body["accepted"] == 1

        run_id = Runs(uri).start("one", key="one", params={}, tags={})
        version = ModelRegistry(uri).register(bundle, run_id=run_id, tags={})
        ModelRegistry(uri).set_alias("champion", version.version)
        _until(lambda: service.ask("/readyz").status == 200)
        slate = service.ask("/recommend", {"user_id": "early", "top_k": 3})
        assert slate.body["model_version"] == version.version
        assert slate.body["slate"][0]["reason"].startswith("Because you watched")
        lineage = service.ask(f"/lineage/{slate.body['request_id']}").body
        assert lineage["run_id"] == run_id
        assert service.ask("/about").body["release"]["kind"] == "item_knn"
        more = [{"user_id": "late", "video_id": "v003", "event": "view"}]
        assert service.ask("/feedback", {"events": more}).body["accepted"] == 1

    landed = (tmp_path / "state" / "landing" / "events" / "feedback").glob("*.jsonl")
    rows = [json.loads(line) for file in landed for line in file.read_text().splitlines()]
    assert {row["user_id"] for row in rows} == {"early", "late"}


def _until(done) -> None:
    end = time.monotonic() + 1200
    while not done():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


@pytest.mark.e2e
def test_sigterm_under_load_breaks_no_request(tmp_path, bundle):
    settings = tmp_path / "kinoloop.toml"
    settings.write_text("[serving]\ndrain_s = 60\n")  # the clients of a busy machine take longer
    with running(tmp_path / "state", bundle=bundle, KINOLOOP_SETTINGS_FILE=str(settings)) as url:
        port = url.rsplit(":", 1)[1]
        (arbiter,) = (child for child in psutil.Process().children() if port in child.cmdline())
        requests = requests_for(url, "/recommend", ["u000", "u001"])

        async def clients():
            """Some that ask all the time, and some that keep a connection while they think."""
            return await asyncio.gather(
                load(url, requests, clients=8, seconds=3, pause_s=0.01),
                load(url, requests, clients=8, seconds=3, pause_s=0.8),
            )

        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(lambda: asyncio.run(clients()))
            time.sleep(1)
            arbiter.terminate()
            time.sleep(0.5)
            readiness = Service(url, tmp_path).ask("/readyz").status
            told = loading.result()
    assert readiness == 503  # a balancer sends no more
    assert [failed for _, failed in told] == [0, 0]
    assert all(len(good) > 8 for good, _ in told)


@pytest.mark.e2e
def test_a_worker_that_is_killed_is_replaced_by_one_that_has_started_already(tmp_path, bundle):
    with running(tmp_path / "state", bundle=bundle) as url:
        _until(lambda: len(_workers(url)) == 2)
        before = _workers(url)
        (serving,) = filter(_serves, before)
        serving.kill()
        (standby,) = (worker for worker in before if worker != serving)
        _until(lambda: _serves(standby))
        _until(lambda: Service(url, tmp_path).ask("/readyz").status == 200)
        answer = Service(url, tmp_path).ask("/recommend", {"user_id": "u000"})
        assert (answer.status, bool(answer.body["slate"])) == (200, True)
        assert serving not in _workers(url)


def _workers(url) -> list[psutil.Process]:
    port = url.rsplit(":", 1)[1]
    (arbiter,) = (child for child in psutil.Process().children() if port in child.cmdline())
    living = (child for child in arbiter.children() if child.status() != psutil.STATUS_ZOMBIE)
    return list(living)


def _serves(worker) -> bool:
    return any(file.path.endswith("live.db") for file in worker.open_files())
