"""`kinoloop recommend` against the running service and, without one, from the release itself."""

import contextlib
import os
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.errors import ConfigError, RegistryError
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.runs import Runs
from kinoloop.release.release import Release
from kinoloop.testing.service import KEY, SIGNER, free_port
from serving.sqlite_state import SqliteState
from serving.takedowns import LOOK_S
from tests.serving.conftest import Service, operator_key


def test_asks_the_service_that_runs(run, service, monkeypatch):
    monkeypatch.setenv("KINOLOOP_SERVICE_PORT", service.url.rsplit(":", 1)[1])
    result = run("--user", "u000", "--top-k", "3")
    assert result.exit_code == 0, result.exception
    assert "answered by http://127.0.0.1" in result.output
    assert "Because you watched" in result.output


def test_reads_the_release_where_no_service_runs(run):
    result = run("--user", "u000", "--top-k", "3")
    assert result.exit_code == 0, result.exception
    assert "no service is running" in result.output
    assert "Because you watched" in result.output
    assert "dataset data-0" in result.output


@pytest.mark.parametrize("running", [True, False])
def test_filters_leave_only_what_was_asked_for(run, service, bundle, monkeypatch, running):
    if running:
        monkeypatch.setenv("KINOLOOP_SERVICE_PORT", service.url.rsplit(":", 1)[1])
    videos = Release.open(bundle).catalogue.videos
    categories = videos["category"].unique().sort().to_list()
    first = set(videos.filter(videos["category"] == categories[0])["title"])
    assert len(categories) > 1
    assert len(first) < len(videos)

    def titles(*words):
        result = run("--user", "u000", "--top-k", "40", *words)
        assert result.exit_code == 0, result.exception
        shown = [line for line in result.output.splitlines() if line.strip()[:1].isdigit()]
        return {title for title in videos["title"] if any(f" {title} " in s for s in shown)}

    one = titles("--filter", f"category={categories[0]}", "--surface", "home", "--device", "tv")
    assert one
    assert one <= first
    several = [w for c in categories for w in ("--filter", f"category={c}")]
    assert titles(*several) == titles() > one
    assert not titles("--filter", "category=of nobody")
    assert titles("--filter", f"category!={categories[0]}") == titles() - first
    told = run("--user", "u000", "--filter", f"category!={categories[0]}", "--explain").output
    assert "moved by" in told
    assert "filter:category" in told
    assert titles("--filter", "duration_s>=30", "--filter", "duration_s<=30.0") == titles()

    for verb in (["--user", "u000"], ["search", "video"]):
        words = [*verb, "--filter", "colour=red"]
        result = run(*words) if verb[0] == "--user" else CliRunner().invoke(app, words)
        assert isinstance(result.exception, ConfigError)
        assert "colour" in str(result.exception)
        assert "category" in str(result.exception)
    result = run("--user", "u000", "--filter", "category")
    assert "expected COLUMN=VALUE, such as --filter language=en" in str(result.exception)
    result = run("--user", "u000", "--filter", "duration_s<=long")
    assert "a range of column 'duration_s' ends at 'long'" in str(result.exception)


def test_without_a_service_its_takedowns_and_what_was_passed_over_count_all_the_same(
    run, service, monkeypatch
):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(service.folder / "state"))
    ports = (service.url.rsplit(":", 1)[1], str(free_port()))
    questions = (["recommend", "-u", "passer-by", "-k", "40"], ["search", "part 4", "-k", "40"])

    def answers():
        """Slates by the service and without it: all that is printed but for who answered."""
        for words in questions:
            said = []
            for port in ports:
                monkeypatch.setenv("KINOLOOP_SERVICE_PORT", port)
                result = CliRunner().invoke(app, words)
                assert result.exit_code == 0, result.exception
                said.append(result.output.rpartition("model version")[0].splitlines())
            assert said[0] == said[1]
            yield " ".join(said[1])

    before = [*answers()]
    assert all("v004" in slate for slate in before)
    pseudonym = Pseudonyms(bytes.fromhex(KEY)).of("passer-by")
    state = SqliteState(service.folder / "state" / "serving" / "live.db")
    state.remember_shown([(pseudonym, "v002", time.time_ns() // 1000)] * 10, within_s=60.0)
    state.shut()
    token = operator_key(service.folder)
    operator = {"Authorization": f"Bearer {token}"}
    service.ask("/videos/v004", method="DELETE", headers=operator)
    time.sleep(2 * LOOK_S)  # the next request looks for what operators said
    try:
        after = [*answers()]
    finally:
        service.ask("/videos/v004", {"hidden": False}, method="PATCH", headers=operator)
    assert not any("v004" in slate for slate in after)
    assert after[0].index("v002") > max(after[0].index(f"v0{n:02}") for n in range(5, 40))


def test_search_finds_videos_by_words(run, bundle):
    title = Release.open(bundle).catalogue.videos["title"][0]
    result = CliRunner().invoke(app, ["search", title, "--top-k", "2"])
    assert result.exit_code == 0, result.exception
    assert title in result.output
    assert "no service is running" in result.output
    result = CliRunner().invoke(app, ["search", " "])
    assert isinstance(result.exception, ConfigError)
    assert "there is nothing to look for" in str(result.exception)


def test_says_what_to_do_before_the_first_promotion(run, monkeypatch):
    monkeypatch.delenv("KINOLOOP_BUNDLE")
    result = run("--user", "u000")
    assert isinstance(result.exception, RegistryError)
    assert "run `kinoloop retrain`, then `kinoloop promote`" in str(result.exception)


def test_what_the_service_says_is_passed_on(run, service, monkeypatch):
    monkeypatch.setenv("KINOLOOP_SERVICE_PORT", service.url.rsplit(":", 1)[1])
    result = run("--user", "u" * 3000)
    assert isinstance(result.exception, ConfigError)
    assert "user_id is wrong: correct the field" in str(result.exception)


def test_another_program_on_the_port_is_named(run, monkeypatch):
    import http.server
    import threading

    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("KINOLOOP_SERVICE_PORT", str(server.server_address[1]))
    try:
        result = run("--user", "u")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert isinstance(result.exception, ConfigError)
    assert "is another program on the port" in str(result.exception)


@pytest.mark.e2e
def test_serve_without_servers_finds_the_champion_of_the_state_folder(tmp_path, bundle):
    """After retrain and promote without servers the registry is a file, for the service as well."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    run_id = Runs(uri).start("one", key="one", params={}, tags={})
    version = ModelRegistry(uri).register(bundle, run_id=run_id, tags={})
    ModelRegistry(uri).set_alias("champion", version.version)
    port = free_port()
    variables = {
        **{k: v for k, v in os.environ.items() if k != "KINOLOOP_MLFLOW_URI"},
        "KINOLOOP_STATE_DIR": str(tmp_path),
        "KINOLOOP_LANDING": str(tmp_path / "landing"),
        "KINOLOOP_SERVICE_PORT": str(port),
        "KINOLOOP_TRUSTED_KEYS": SIGNER.public,
    }
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "kinoloop.cli", "serve"]
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        service = Service(f"http://127.0.0.1:{port}", tmp_path)
        end = time.monotonic() + 1200
        while process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError):
                if service.ask("/readyz").status == 200:
                    break
            time.sleep(0.2)
        assert service.ask("/about").body["release"]["model_version"] == version.version
    finally:
        process.terminate()
        process.wait(60)
