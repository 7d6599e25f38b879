import subprocess
import sys

import deltalake
import polars as pl
import pytest

from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import unversioned
from kinoloop.environment import Environment
from kinoloop.errors import DataError
from tasks.versioning import UNVERSIONED, dataset_version, is_versioned, version_data


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    return Environment()


def dvc(*arguments, cwd):
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=cwd, check=True)


def write_table(root, rows):
    table = pl.DataFrame({"video_id": rows}).to_arrow()
    deltalake.write_deltalake(str(root / "videos"), table, mode="append")


def test_is_unversioned_when_there_are_no_tables(environment):
    assert dataset_version(environment) == UNVERSIONED


def test_falls_back_to_a_hash_of_the_tables_outside_a_dvc_repository(environment, caplog):
    write_table(environment.data_dir, ["a"])
    first = version_data.fn(environment)
    assert first.startswith("tables-")
    assert first == dataset_version(environment)
    assert "in no DVC repository" in caplog.text
    write_table(environment.data_dir, ["b"])
    assert dataset_version(environment) != first


def test_pins_the_data_directory_and_pushes_only_to_the_named_remote(
    environment, tmp_path, monkeypatch
):
    dvc("init", "--no-scm", "-q", cwd=tmp_path)
    default, named = tmp_path / "default", tmp_path / "named"
    dvc("remote", "add", "-q", "-d", "sample", str(default), cwd=tmp_path)
    dvc("remote", "add", "-q", "mine", str(named), cwd=tmp_path)
    write_table(environment.data_dir, ["a"])

    version = version_data.fn(environment)
    assert version.endswith(".dir")
    assert dataset_version(environment) == version
    assert not named.exists()

    monkeypatch.setenv("KINOLOOP_DVC_PUSH_REMOTE", "mine")
    assert version_data.fn(Environment()) == version
    assert any(named.rglob("*.dir"))
    assert not default.exists()


def test_says_what_dvc_said_when_it_fails(environment, tmp_path):
    dvc("init", "--no-scm", "-q", cwd=tmp_path)
    with pytest.raises(DataError, match=r"`dvc add data` in .* failed"):
        version_data.fn(environment)


def test_refuses_a_dvc_file_without_a_hash(environment, tmp_path):
    (tmp_path / "data.dvc").write_text("outs: []\n")
    with pytest.raises(DataError, match="not a DVC file with one output"):
        dataset_version(environment)


def test_what_is_committed_but_not_pinned_is_said_and_pinned_by_the_next_run(environment, tmp_path):
    dvc("init", "--no-scm", "-q", cwd=tmp_path)
    write_table(environment.data_dir, ["a"])
    unversioned(Tables(environment.data_dir)).parent.mkdir()
    unversioned(Tables(environment.data_dir)).touch()
    ignored = tmp_path / ".dvcignore"
    ignored.write_text("data\n")
    with pytest.raises(DataError, match=r"is committed to .*not pinned .*`kinoloop ingest`, which"):
        version_data.fn(environment)
    assert not is_versioned(environment)
    ignored.unlink()
    assert version_data.fn(environment).endswith(".dir")
    assert is_versioned(environment)


def test_what_is_pinned_but_not_pushed_is_said_and_pushed_by_the_next_run(
    environment, tmp_path, monkeypatch
):
    dvc("init", "--no-scm", "-q", cwd=tmp_path)
    monkeypatch.setenv("KINOLOOP_DVC_PUSH_REMOTE", "mine")
    write_table(environment.data_dir, ["a"])
    unversioned(Tables(environment.data_dir)).parent.mkdir()
    unversioned(Tables(environment.data_dir)).touch()
    with pytest.raises(DataError, match=r"pinned as .*\.dir, but it is not in the remote mine yet"):
        version_data.fn(Environment())
    assert not is_versioned(environment)
    dvc("remote", "add", "-q", "mine", str(tmp_path / "mine"), cwd=tmp_path)
    version_data.fn(Environment())
    assert is_versioned(environment)
    assert any((tmp_path / "mine").rglob("*.dir"))
