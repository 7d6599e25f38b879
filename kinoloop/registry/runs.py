"""Experiment tracking: every call names its run, so that worker threads never open a second one.

MLflow's fluent interface keeps the active run in a thread-local; here a run is an id.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinoloop.registry.connection import Connection

METRICS_PER_CALL = 900  # MLflow takes 1000 per call
PARAMS_PER_CALL = 90  # and 100 parameters
VALUE_LIMIT = 5_000  # characters of a parameter or a tag


class Runs:
    """Writes runs.

    Args:
        tracking_uri: Of MLflow.
    """

    def __init__(self, tracking_uri: str) -> None:
        self._connection = Connection(tracking_uri)

    def start(
        self, name: str, *, key: str, params: Mapping[str, Any], tags: Mapping[str, str]
    ) -> str:
        """Start a run, or find the one that was started under the same key.

        Args:
            name: To show.
            key: Identity of the work; a flow that is run again goes on with its run.
            params: Settings, nested mappings are flattened with dots.
            tags: Dataset version, fingerprints and so on.

        Returns:
            Run id.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        from mlflow.entities import Param, RunTag

        with self._connection.speaking(f"start run {name}") as client:
            found = client.search_runs(
                [self._connection.experiment_id], f"tags.`kinoloop.key` = '{key}'", max_results=1
            )
            run = (
                found[0]
                if found
                else client.create_run(
                    self._connection.experiment_id, run_name=name, tags={"kinoloop.key": key}
                )
            )
            if run.info.status == "FINISHED":
                return str(run.info.run_id)
            flat = [Param(k, v[:VALUE_LIMIT]) for k, v in flatten(params).items()]
            for start in range(0, max(1, len(flat)), PARAMS_PER_CALL):
                client.log_batch(run.info.run_id, params=flat[start : start + PARAMS_PER_CALL])
            pairs = [RunTag(k, str(v)[:VALUE_LIMIT]) for k, v in tags.items()]
            client.log_batch(run.info.run_id, tags=pairs)
            return str(run.info.run_id)

    def log_metrics(
        self,
        run_id: str,
        metrics: Sequence[tuple[str, float, int]],
        *,
        at_ms: int | None = None,
    ) -> None:
        """Log (name, value, step) triples.

        Args:
            run_id: Of the run.
            metrics: What was measured.
            at_ms: When, milliseconds since the epoch; None is now. The same metrics at the same
                time are there once, however often they are logged.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        from mlflow.entities import Metric

        when = int(time.time() * 1000) if at_ms is None else at_ms
        entities = [Metric(_allowed(name), value, when, step) for name, value, step in metrics]
        with self._connection.speaking("log metrics") as client:
            for start in range(0, len(entities), METRICS_PER_CALL):
                client.log_batch(run_id, metrics=entities[start : start + METRICS_PER_CALL])

    def log_text(self, run_id: str, text: str, path: str) -> None:
        """Log a text artifact.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        with self._connection.speaking(f"log {path}") as client:
            client.log_text(run_id, text, path)

    def log_file(self, run_id: str, file: Path, folder: str | None = None) -> None:
        """Log a file as an artifact.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        with self._connection.speaking(f"log {file.name}") as client:
            client.log_artifact(run_id, str(file), folder)

    def is_finished(self, run_id: str) -> bool:
        """Whether `finish` was called; what was logged to such a run is complete.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        with self._connection.speaking("look up a run") as client:
            return str(client.get_run(run_id).info.status) == "FINISHED"

    def finish(self, run_id: str, *, failed: bool = False) -> None:
        """End a run.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        with self._connection.speaking("end run") as client:
            client.set_terminated(run_id, "FAILED" if failed else "FINISHED")


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as one level of text.

    Examples:
        >>> flatten({"kind": "mf", "optimizer": {"lr": 0.1}})
        {'kind': 'mf', 'optimizer.lr': '0.1'}
    """
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = str(value)
    return flat


def _allowed(name: str) -> str:
    """MLflow refuses `@` in metric names."""
    return name.replace("@", "_at_")
