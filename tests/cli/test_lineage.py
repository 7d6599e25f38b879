"""`kinoloop lineage --to` writes a new folder whole, or says in one line why not."""

from pathlib import Path

import pytest

from kinoloop.cli.lineage import _check_out, _check_outside
from kinoloop.environment import Environment
from kinoloop.errors import DataError


@pytest.fixture
def bundle(tmp_path):
    release = tmp_path / "state" / "releases" / "abc"
    release.mkdir(parents=True)
    (release / "bundle.json").write_text("{}")
    return release


@pytest.fixture
def environment(tmp_path):
    return Environment(
        data_dir=tmp_path / "data", landing=str(tmp_path / "in"), state_dir=tmp_path / "state"
    )


@pytest.mark.parametrize("inside", ["state/releases/abc/x/y", "state/new", "data/x", "in/x"])
def test_a_folder_of_the_installation_is_refused(tmp_path, environment, bundle, inside):
    with pytest.raises(DataError, match="which Kinoloop keeps; name a folder elsewhere"):
        _check_outside(tmp_path / inside, environment, bundle)
    _check_outside(tmp_path / "elsewhere", environment, bundle)


def test_a_new_folder_is_written(tmp_path, bundle):
    _check_out(tmp_path / "a" / "b", bundle, {"files": {}})
    assert (tmp_path / "a" / "b" / "release" / "bundle.json").read_text() == "{}"
    assert (tmp_path / "a" / "b" / "lineage.json").exists()


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path, bundle):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    bad = [Path("/proc/x"), tmp_path / "file" / "x", tmp_path / ("x" * 300)]
    for to in (*bad, tmp_path / "dangling", tmp_path / "round", tmp_path / "file"):
        with pytest.raises(DataError, match=r"cannot be written|exists already") as raised:
            _check_out(to, bundle, {})
        assert "\n" not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "dangling", "round", "state"}


def test_nothing_half_is_left_of_a_release_that_cannot_be_copied(tmp_path, bundle):
    (bundle / "gone").symlink_to(bundle / "nowhere")
    with pytest.raises(DataError, match="cannot be written"):
        _check_out(tmp_path / "new", bundle, {})
    assert {path.name for path in tmp_path.iterdir()} == {"state"}
