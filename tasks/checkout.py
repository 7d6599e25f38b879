"""Checking out the dataset of an earlier version into a folder of its own, by DVC.

The folder becomes a DVC repository for as long as that takes: it shares the cache of the project,
so that nothing is fetched which is here, and knows the project's remotes. What is left behind is
the data and its `data.dvc`; the settings, which may hold credentials, are not.
"""

import configparser
import shutil
from pathlib import Path

from kinoloop.environment import Environment
from kinoloop.errors import DataError
from tasks.dvc import dvc
from tasks.versioning import dvc_root

POINTER = "outs:\n- md5: {version}\n  hash: md5\n  path: data\n"


def check_out_data(environment: Environment, version: str, to: Path) -> Path:
    """Check out a dataset version.

    Args:
        environment: Names the data directory, in whose DVC repository the version was made.
        version: As in `data.dvc`.
        to: A folder; it gets `data.dvc` and `data`.

    Returns:
        Where the data is.

    Raises:
        DataError: The version is none of DVC's, or its files are neither in the cache nor in a
            remote.
    """
    root = dvc_root(environment.data_dir.resolve())
    if not version.endswith(".dir") or root is None:
        raise DataError(
            f"dataset {version} is none of DVC's, so that there is nothing to check out: the Delta "
            "tables still hold the table versions named above as far as `kinoloop prune` has left "
            "them; with the data directory in a DVC repository each ingest pins a version"
        )
    (to / "data.dvc").write_text(POINTER.format(version=version), encoding="utf-8")
    dvc(environment, "init", "--no-scm", "--quiet", cwd=to)
    try:
        for name in ("config", "config.local"):
            _copy_config(root / ".dvc", to / ".dvc", name)
        _check_out(environment, version, to)
    finally:
        shutil.rmtree(to / ".dvc", ignore_errors=True)
        (to / ".dvcignore").unlink(missing_ok=True)
    return to / "data"


def _check_out(environment: Environment, version: str, to: Path) -> None:
    try:
        dvc(environment, "checkout", "data.dvc", cwd=to)
    except DataError:  # something is not in the cache
        try:
            dvc(environment, "pull", "data.dvc", cwd=to)
        except DataError as err:
            raise DataError(
                f"dataset {version} is not whole in the DVC cache, nor in the default remote: "
                f"fetch it where it was pushed to (KINOLOOP_DVC_PUSH_REMOTE), or copy the cache "
                f"of the machine that made it; DVC says: {err}"
            ) from err


def _copy_config(source: Path, target: Path, name: str) -> None:
    """Copy settings with paths that lead from the target to the same place; and the cache's."""
    config = configparser.RawConfigParser()
    config.read(source / name, encoding="utf-8")
    for section in config.sections():
        for key in ("url", "dir"):
            value = config.get(section, key, fallback="")
            if value and "://" not in value:
                config.set(section, key, str((source / value).resolve()))
    if name == "config":
        for section in ("core", "cache"):
            if not config.has_section(section):
                config.add_section(section)
        config.set("core", "no_scm", "true")  # the folder is in no Git repository
        if not config.has_option("cache", "dir"):
            config.set("cache", "dir", str((source / "cache").resolve()))
    with (target / name).open("w", encoding="utf-8") as file:
        config.write(file)
