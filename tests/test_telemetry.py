import os
import subprocess
import sys

from kinoloop.telemetry import OFF, switch_off


def test_every_opt_out_is_set(monkeypatch):
    for name in OFF:
        monkeypatch.delenv(name, raising=False)
    switch_off()
    assert {name: os.environ[name] for name in OFF} == OFF


def test_what_the_operator_has_set_wins(monkeypatch):
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    switch_off()
    assert os.environ["DO_NOT_TRACK"] == "0"


def test_importing_a_platform_package_switches_telemetry_off():
    code = "import os, flows; print(os.environ['DVC_NO_ANALYTICS'])"
    clean = {k: v for k, v in os.environ.items() if k not in OFF}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
