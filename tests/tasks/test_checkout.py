import shutil
import subprocess
import sys

import pytest

from kinoloop.environment import Environment
from kinoloop.errors import DataError
from tasks.checkout import check_out_data
from tasks.versioning import dataset_version


def dvc(*arguments, cwd):
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=cwd, check=True)


@pytest.mark.slow
def test_an_earlier_dataset_comes_from_the_cache_or_a_remote_and_leaves_no_settings(tmp_path):
    project = tmp_path / "project"
    data = project / "data"
    data.mkdir(parents=True)
    environment = Environment(data_dir=data, state_dir=tmp_path / "state")
    dvc("init", "--no-scm", "-q", cwd=project)
    (project / ".dvc" / "config").write_text(
        "[core]\n    no_scm = true\n    remote = far\n['remote \"far\"']\n    url = ../../far\n"
    )
    (data / "table").write_text("as it was")
    dvc("add", "-q", "data", cwd=project)
    version = dataset_version(environment)
    (data / "table").write_text("as it is")
    dvc("add", "-q", "data", cwd=project)
    assert dataset_version(environment) != version

    here = tmp_path / "here"
    here.mkdir()
    assert check_out_data(environment, version, here) == here / "data"
    assert (here / "data" / "table").read_text() == "as it was"
    assert (data / "table").read_text() == "as it is"
    assert {path.name for path in here.iterdir()} == {"data", "data.dvc"}

    shutil.move(project / ".dvc" / "cache", tmp_path / "far")
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    check_out_data(environment, version, fetched)
    assert (fetched / "data" / "table").read_text() == "as it was"

    shutil.rmtree(project / ".dvc" / "cache")
    shutil.rmtree(tmp_path / "far")
    gone = tmp_path / "gone"
    gone.mkdir()
    with pytest.raises(DataError, match=r"is not whole in the DVC cache, nor in the default remot"):
        check_out_data(environment, version, gone)
    assert {path.name for path in gone.iterdir()} <= {"data", "data.dvc"}


def test_a_version_that_dvc_did_not_make_is_explained(tmp_path):
    environment = Environment(data_dir=tmp_path / "data", state_dir=tmp_path / "state")
    with pytest.raises(DataError, match=r"dataset tables-12 is none of DVC's"):
        check_out_data(environment, "tables-12", tmp_path)
    assert not (tmp_path / "data.dvc").exists()
