"""The compose file: read as the specification has it, and everything that it names exists."""

import re
from pathlib import Path

import compose_spec
import pytest
import typer

from kinoloop.cli.main import app
from kinoloop.environment import Environment

OPS = Path(__file__).resolve().parents[2] / "ops"


@pytest.fixture(scope="module")
def services():
    options = compose_spec.PyOptions()
    options.apply_merge = True
    read = options.from_yaml((OPS / "compose.yaml").read_text())
    read.validate()  # networks, volumes and secrets that services name are declared
    return read.to_dict()["services"]


def mounts(service):
    """What a service mounts from here, and where to."""
    for volume in service.get("volumes", ()):
        source, target = volume.split(":")[:2]
        if source.startswith("."):
            yield (OPS / source).resolve(), target


def test_the_services_are_there_and_only_the_proxy_is_open_to_other_machines(services):
    asked = {"up", "serving-1", "serving-2", "redis", "proxy", "prometheus", "grafana"}
    assert set(services) == asked
    published = {name: s["ports"] for name, s in services.items() if s.get("ports")}
    assert published.pop("proxy") == ["80:80", "443:443"]
    assert all(str(port).startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_what_is_mounted_exists_and_images_have_a_version(services):
    for name, service in services.items():
        for source, _ in mounts(service):
            assert source.exists(), (name, source)
        if "build" not in service and not name.startswith("serving"):
            assert re.search(r":v?\d+\.\d+", service["image"]), name


def test_commands_and_variables_of_kinoloop_are_its_own(services):
    verbs = set(typer.main.get_command(app).commands)
    fields = {f"KINOLOOP_{name.upper()}" for name in Environment.model_fields}
    for name in ("up", "serving-1", "serving-2"):
        assert services[name]["command"][0] in verbs
        given = {key for key in services[name]["environment"] if key.startswith("KINOLOOP_")}
        assert given <= fields, name


def test_machines_that_serve_share_what_must_be_shared_and_nothing_else(services):
    one, other = services["serving-1"], services["serving-2"]
    assert one["environment"] == other["environment"]
    up = services["up"]["environment"]
    for name in ("KINOLOOP_PSEUDONYM_KEY", "KINOLOOP_LANDING"):
        assert one["environment"][name] == up[name]
    assert set(one["volumes"]) ^ set(other["volumes"]) == {
        "serving-1:/kinoloop/state",
        "serving-2:/kinoloop/state",
    }
    assert "KINOLOOP_SIGNING_KEY" not in one["environment"]  # who serves signs nothing


def test_every_secret_is_asked_for_and_none_stands_in_a_file():
    text = (OPS / "compose.yaml").read_text()
    example = dict(line.split("=", 1) for line in _lines("env.example"))
    asked = set(re.findall(r"\$\{(\w+)", text))
    assert set(re.findall(r"\$\{(\w+):\?", text)) == asked == set(example)
    assert [name for name, value in example.items() if value] == ["SITE"]


def test_the_guide_says_how_to_come_by_every_value_that_is_asked_for():
    guide = (OPS.parent / "docs/guides/several-machines.md").read_text()
    block = guide.partition("cp env.example .env")[2].partition("```")[0]
    names = [line.partition("=")[0] for line in _lines("env.example")]
    assert [name for name in names if name.startswith("KINOLOOP_") and name not in block] == []


def test_redis_promises_what_the_guide_says():
    assert set(_lines("redis.conf")) >= {
        "appendonly yes",
        "appendfsync always",
        "maxmemory-policy noeviction",
    }


def _lines(name: str) -> list[str]:
    lines = (OPS / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]
