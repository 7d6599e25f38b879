"""The dataset version: the hash that `dvc add` gives the data directory.

DVC is called as a command, with its lock waited for: two publishers at once then queue instead of
failing. Where the data directory is in no DVC repository (a cluster's volume, a notebook), the
version is a hash over the committed files of every table, so that lineage never breaks.
"""

import hashlib
import logging
from pathlib import Path

import deltalake
import yaml
from prefect import task

from kinoloop import durable
from kinoloop.data.tables import Tables
from kinoloop.data.writers_lock import unversioned
from kinoloop.environment import Environment
from kinoloop.errors import DataError
from kinoloop.schema import TABLES
from tasks.dvc import dvc

logger = logging.getLogger(__name__)

UNVERSIONED = "unversioned"


def dataset_version(environment: Environment) -> str:
    """Return the version of the data directory.

    Args:
        environment: Names the data directory.

    Returns:
        The hash in `<data_dir>.dvc`; without that file a hash of the committed tables, as
        `tables-…`; `unversioned` where there are no tables either.

    Raises:
        DataError: The `.dvc` file cannot be read.
    """
    pointer = _pointer(environment.data_dir)
    if not pointer.exists():
        return _tables_hash(Tables(environment.data_dir))
    try:
        return str(yaml.safe_load(pointer.read_text(encoding="utf-8"))["outs"][0]["md5"])
    except (yaml.YAMLError, KeyError, IndexError, TypeError) as err:
        raise DataError(
            f"{pointer} is not a DVC file with one output and its md5; "
            f"make it again with `dvc add {environment.data_dir}`"
        ) from err


@task(name="version data", retries=1, retry_delay_seconds=5, timeout_seconds=3600)
def version_data(environment: Environment) -> str:
    """Pin the data directory with `dvc add` and push it where a push remote is set.

    Only the remote named by `KINOLOOP_DVC_PUSH_REMOTE` is ever pushed to: the default remote of a
    repository may be a read-only sample.

    Args:
        environment: Names the data directory and the push remote.

    Returns:
        The dataset version, see `dataset_version`.

    Raises:
        DataError: DVC failed; the message says what is committed all the same, and ends with what
            DVC said. The next ingest, extract or prune pins and pushes what is waiting.
    """
    data_dir = environment.data_dir.resolve()
    if dvc_root(data_dir) is None:
        logger.warning("%s is in no DVC repository: its version is a hash of the tables", data_dir)
    else:
        _pin(environment, data_dir)
    durable.remove(unversioned(Tables(data_dir)))
    return dataset_version(environment)


def is_versioned(environment: Environment) -> bool:
    """Whether the dataset version has all that is committed; a killed run may leave some out."""
    return not unversioned(Tables(environment.data_dir)).exists()


def _pin(environment: Environment, data_dir: Path) -> None:
    try:
        dvc(environment, "add", data_dir.name, cwd=data_dir.parent)
    except DataError as err:
        raise DataError(
            f"everything is committed to {data_dir}, but it is not pinned as a dataset version "
            f"yet; fix what DVC reports and run `kinoloop ingest`, which pins it: {err}"
        ) from err
    remote = environment.dvc_push_remote
    if remote is None:
        return
    try:
        arguments = ("push", "-r", remote, f"{data_dir.name}.dvc")
        dvc(environment, *arguments, cwd=data_dir.parent)
    except DataError as err:
        raise DataError(
            f"everything is committed to {data_dir} and pinned as {dataset_version(environment)}, "
            f"but it is not in the remote {remote} yet; fix what DVC reports and run `kinoloop "
            f"ingest`, which pushes it: {err}"
        ) from err


def _pointer(data_dir: Path) -> Path:
    resolved = data_dir.resolve()
    return resolved.with_name(f"{resolved.name}.dvc")


def dvc_root(path: Path) -> Path | None:
    """Return the folder of the DVC repository that a path is in; None where it is in none."""
    return next((p for p in path.parents if (p / ".dvc").is_dir()), None)


def _tables_hash(tables: Tables) -> str:
    digest = hashlib.sha256()
    found = False
    for name in TABLES:
        if tables.exists(name):
            found = True
            table = deltalake.DeltaTable(str(tables.path(name)))
            digest.update(repr((name, sorted(Path(f).name for f in table.file_uris()))).encode())
    return f"tables-{digest.hexdigest()[:32]}" if found else UNVERSIONED
