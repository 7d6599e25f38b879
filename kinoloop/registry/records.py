"""What was logged as JSON with the runs of versions: decisions, drift; read newest first.

A record never changes, so each is fetched once; what is asked again are the names alone.
"""

import json
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from kinoloop.registry.client import NAME, ModelRegistry
from kinoloop.registry.model_version import ModelVersion, model_version

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

LARGEST_BYTES = 2**20
"""A larger file is no record of ours; it is passed over."""

T = TypeVar("T")


class Records:
    """Reads records.

    Args:
        registry: Where versions are.
    """

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry
        self._read: dict[tuple[str, str], Any] = {}

    def newest_versions(self, most: int) -> list[ModelVersion]:
        """Return the newest versions, newest first; none before the first.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        if self._registry.connection.is_new:
            return []
        with self._registry.connection.speaking("list the versions") as client:
            found = client.search_model_versions(
                f"name='{NAME}'", max_results=most, order_by=["version_number DESC"]
            )
            return [model_version(one) for one in found]

    def of(
        self, run_id: str, folder: str, understand: Callable[[object], T], *, most: int
    ) -> list[T]:
        """Return the newest records in a folder of a run, newest first.

        Args:
            run_id: Of the run.
            folder: Of its artifacts; names in it begin with the time of the record.
            understand: Makes the record of a document; raises `ValueError` where it is none.
            most: How many.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        with self._registry.connection.speaking(f"read {folder} of run {run_id}") as client:
            files = [
                file.path
                for file in client.list_artifacts(run_id, folder)
                if file.path.endswith(".json") and (file.file_size or 0) <= LARGEST_BYTES
            ]
            newest = sorted(files, key=lambda path: PurePosixPath(path).name, reverse=True)[:most]
            for path in newest:
                if (run_id, path) not in self._read:
                    self._read[run_id, path] = _understood(client, run_id, path, understand)
        found = [self._read[run_id, path] for path in newest]
        return [one for one in found if one is not None]


def _understood(
    client: "MlflowClient", run_id: str, path: str, understand: Callable[[object], T]
) -> T | None:
    """Fetch a record and make of it what it is; None where it is damaged."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(client.download_artifacts(run_id, path, folder)).read_text("utf-8")
    try:
        return understand(json.loads(text))
    except (ValueError, RecursionError) as err:
        logger.warning("%s of run %s is damaged and was passed over: %s", path, run_id, err)
        return None
