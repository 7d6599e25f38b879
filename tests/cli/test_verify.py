import os
import sqlite3
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.environment import Environment
from kinoloop.release.bundle import write_bundle
from kinoloop.release.signature import load_signer, load_trust
from tasks.dvc import dvc
from tasks.versioning import version_data
from tests.data.test_checksums import flip
from tests.ingestion.landing_zone import EVENTS, VIDEOS, Zone
from tests.release.tiny import catalogue, fitted, histories


@pytest.fixture
def zone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KINOLOOP_PSEUDONYM_KEY", (b"k" * 32).hex())
    zone = Zone(tmp_path)
    zone.put("videos/a.csv", VIDEOS)
    zone.put("events/a.csv", EVENTS)
    zone.ingest()
    return zone


def verify():
    done = CliRunner().invoke(app, ["verify"])
    return done.exit_code, done.output


@pytest.mark.parametrize("given", [True, False])
def test_the_key_to_trust_is_known_before_a_first_release(tmp_path, monkeypatch, given):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    if given:
        monkeypatch.setenv("KINOLOOP_SIGNING_KEY", (b"s" * 32).hex())
    done = CliRunner().invoke(app, ["verify", "--trusted-key"])
    assert done.exit_code == 0
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "bundle.json").write_text("{}")
    load_signer(Environment()).sign(bundle)
    monkeypatch.delenv("KINOLOOP_SIGNING_KEY", raising=False)
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("KINOLOOP_TRUSTED_KEYS", done.stdout.strip())
    assert load_trust(Environment()).verify(bundle) == done.stdout.strip()


def test_says_that_all_is_whole(zone):
    code, said = verify()
    assert (code, said.split("\n")[:4]) == (
        0,
        ["tables: whole", "pseudonym key: whole", "releases: whole", "state: whole"],
    )


def test_counters_of_the_service_are_no_databases(zone, tmp_path):
    counters = tmp_path / ".kinoloop" / "bentoml" / "prometheus_multiproc_dir"
    counters.mkdir(parents=True)
    (counters / "counter_1.db").write_bytes(b"\x08\0\0\0 no SQLite")
    code, said = verify()
    assert code == 0
    assert "state: whole" in said


def test_says_that_nothing_is_there_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert verify()[0] == 0


def test_names_the_damaged_file_and_dvc_brings_it_back(zone, tmp_path):
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], check=True)
    version_data.fn(Environment())
    path = sorted(zone.tables.path("events").glob("date=*/*.parquet"))[0]
    flip(path, 1000)
    code, said = verify()
    assert code == 1
    assert "tables: 1 damaged" in said
    name = os.path.relpath(path)
    assert f"damaged: {name}: its SHA-256 is" in said
    assert "lost: 1 rows of table events" in said
    assert f"next: `rm {name} && dvc checkout {name}`" in said
    path.unlink()
    dvc(Environment(), "checkout", name, cwd=tmp_path)
    assert verify()[0] == 0


def test_names_a_damaged_release_database_and_key(zone, tmp_path, monkeypatch):
    state = tmp_path / ".kinoloop"
    fresh, videos = state / "releases" / "fresh", catalogue()
    info = write_bundle(fresh, recommender=fitted(videos), catalogue=videos, histories=histories())
    load_signer(Environment()).sign(fresh)
    bundle = fresh.rename(fresh.with_name(info.digest))
    assert verify()[0] == 0
    flip(bundle / "videos.parquet", 500)
    with sqlite3.connect(state / "live.db") as database:
        database.execute("CREATE TABLE live (x)")
    database.close()
    (state / "live.db").write_bytes(b"\0" * 50 + (state / "live.db").read_bytes()[50:])
    monkeypatch.setenv("KINOLOOP_PSEUDONYM_KEY", (b"x" * 32).hex())
    code, said = verify()
    assert code == 1
    assert "releases: 1 damaged" in said
    assert f"next: `rm -r .kinoloop/releases/{bundle.name}`: it is fetched" in said
    assert "state: 1 damaged" in said
    assert "pseudonym key: 1 damaged" in said
    flip(bundle / "videos.parquet", 500)
    flip(bundle / "bundle.sig", 700)
    assert "releases: 1 damaged" in verify()[1]
    (state / "signing.key").write_text("no key")
    assert "damaged: .kinoloop/signing.key: the signing key" in verify()[1]
