import os
import stat
from pathlib import Path

import pytest

from kinoloop.environment import Environment
from kinoloop.errors import DataError
from tasks.dvc import dvc

SHARED = Path("/var/tmp/dvc")


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    return Environment()


def test_nothing_of_ours_is_where_every_user_of_the_machine_can_write(environment, tmp_path):
    old = os.umask(0)
    try:
        dvc(environment, "init", "--no-scm", "-q", cwd=tmp_path)
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "a").write_text("a")
        dvc(environment, "add", "-q", "data", cwd=tmp_path)
    finally:
        os.umask(old)
    cache = tmp_path / "state" / "dvc"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    repositories = [path.name for path in (cache / "repo").iterdir()]
    assert repositories
    assert not [name for name in repositories if (SHARED / "repo" / name).exists()]


def test_a_folder_that_was_open_to_others_is_closed(environment, tmp_path):
    cache = tmp_path / "state" / "dvc"
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    dvc(environment, "version", cwd=tmp_path)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_says_what_dvc_said(environment, tmp_path):
    with pytest.raises(DataError, match=r"`dvc add nothing` in .* failed: .+"):
        dvc(environment, "add", "nothing", cwd=tmp_path)
