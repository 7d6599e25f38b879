"""Registered releases: versions, the aliases that point at them, and a local copy of each.

One registered model, `kinoloop`; `champion` serves, `challenger` waits for its proof, `previous`
is what a rollback restores. MLflow's aliases have no compare-and-swap, so whoever moves them
holds a lock that dies with its owner and reads back what was written.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from filelock import FileLock, Timeout

from kinoloop import durable
from kinoloop.errors import BundleError, RegistryError
from kinoloop.registry.connection import Connection
from kinoloop.release.info import check_files, read_info

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion as MlflowVersion

logger = logging.getLogger(__name__)

NAME = "kinoloop"
Alias = Literal["champion", "challenger", "previous"]
ALIASES: tuple[Alias, ...] = ("champion", "challenger", "previous")
_BUNDLE_IN_MODEL = "model/artifacts/bundle"


@dataclass(frozen=True)
class ModelVersion:
    """One registered release.

    Attributes:
        version: Number in the registry, as text.
        digest: Content digest of its bundle.
        run_id: Of the MLflow run that made it.
        created_at: When it was registered.
        tags: Dataset version, settings hash, kind, fingerprints.
    """

    version: str
    digest: str
    run_id: str
    created_at: datetime
    tags: dict[str, str] = field(default_factory=dict)


class ModelRegistry:
    """The registry.

    Args:
        tracking_uri: Of MLflow.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri
        self._connection = Connection(tracking_uri)

    def champion(self) -> ModelVersion | None:
        """The release in service; None before the first promotion.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        return self.by_alias("champion")

    def by_alias(self, alias: Alias) -> ModelVersion | None:
        """The release that an alias points at; None where it points at none.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        if self._connection.is_new:
            return None
        with self._connection.speaking(f"look up the {alias}") as client:
            from mlflow.exceptions import MlflowException

            try:
                return _version(client.get_model_version_by_alias(NAME, alias))
            except MlflowException as err:
                if err.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                    return None
                raise

    def version(self, version: str) -> ModelVersion:
        """A release by its number.

        Raises:
            RegistryError: There is none, or MLflow is away or refuses.
        """
        with self._connection.speaking(f"look up version {version}") as client:
            return _version(client.get_model_version(NAME, version))

    def register(self, bundle: Path, *, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Log a bundle as an MLflow model and register it; a bundle that is there stays one.

        Args:
            bundle: The bundle, checked.
            run_id: Of the run that made it.
            tags: More of them; digest, dataset version, settings hash, kind and fingerprints are
                taken from the bundle.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        from kinoloop.registry.packaging import package

        info = read_info(bundle)
        with self._connection.speaking("register the release") as client:
            _ensure_model(client)
            known = client.search_model_versions(
                f"name = '{NAME}' and tags.digest = '{info.digest}'"
            )
            if known:
                return _version(known[0])
            with tempfile.TemporaryDirectory(dir=bundle.parent) as scratch:
                package(bundle, info, Path(scratch) / "model")
                client.log_artifacts(run_id, str(Path(scratch) / "model"), "model")
            made = client.create_model_version(
                NAME,
                f"runs:/{run_id}/model",
                run_id,
                tags={
                    "digest": info.digest,
                    "kind": info.kind,
                    "candidate": info.name,
                    "dataset_version": info.dataset_version,
                    "settings_hash": info.settings_hash,
                    **{f"fingerprint.{m}": f for m, f in info.fingerprints.items()},
                    **tags,
                },
            )
        logger.info("registered version %s: %s", made.version, info.kind)
        return _version(made)

    def set_alias(self, alias: Alias, version: str) -> None:
        """Point an alias at a version and read it back.

        Raises:
            RegistryError: Another value is read back, or MLflow is away or refuses.
        """
        with self._connection.speaking(f"set {alias} to version {version}") as client:
            client.set_registered_model_alias(NAME, alias, version)
        got = self.by_alias(alias)
        if got is None or got.version != version:
            raise RegistryError(
                f"{alias} was set to version {version}, but {got and got.version} is read back; "
                "somebody else writes aliases without the lock"
            )

    def drop_alias(self, alias: Alias) -> None:
        """Let an alias point at nothing.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        with self._connection.speaking(f"drop {alias}") as client:
            client.delete_registered_model_alias(NAME, alias)

    def set_tag(self, version: str, name: str, value: str) -> None:
        """Tag a version.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        with self._connection.speaking(f"tag version {version}") as client:
            client.set_model_version_tag(NAME, version, name, value)

    def download(self, version: ModelVersion, cache_dir: Path) -> Path:
        """A local copy of a release's bundle, kept under its digest.

        Returns at once when it is there. A fresh copy is compared with the digest that was
        registered before it gets its name.

        Raises:
            BundleError: What was downloaded is not what was registered.
            RegistryError: MLflow is away or refuses.
        """
        target = cache_dir / version.digest
        if target.exists():
            return target
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(cache_dir / f".{version.digest}.lock"):
            if not target.exists():
                durable.sweep(cache_dir)
                self._fetch(version, target)
        return target

    @contextmanager
    def moving_aliases(self, state_dir: Path, *, timeout_s: float = 600) -> Iterator[None]:
        """Hold the lock under which aliases move; it dies with its owner, however that ends.

        Raises:
            RegistryError: Somebody else holds it for longer than `timeout_s`.
        """
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(state_dir / "aliases.lock")
        try:
            lock.acquire(timeout=timeout_s)
        except Timeout as err:
            raise RegistryError(
                f"another promotion or rollback holds {lock.lock_file} for {timeout_s:g} s; "
                "wait for it to end"
            ) from err
        try:
            yield
        finally:
            lock.release()

    def _fetch(self, version: ModelVersion, target: Path) -> None:
        with (
            durable.appearing(target) as fresh,
            self._connection.speaking(f"download version {version.version}"),
        ):
            from mlflow.artifacts import download_artifacts

            uri = f"runs:/{version.run_id}/{_BUNDLE_IN_MODEL}"
            fetched = Path(
                download_artifacts(
                    artifact_uri=uri, dst_path=str(fresh.parent), tracking_uri=self.tracking_uri
                )
            )
            info = read_info(fetched)
            if info.digest != version.digest:
                raise BundleError(
                    f"version {version.version}: downloaded {info.digest}, registered was "
                    f"{version.digest}; the artifact store was changed, register again"
                )
            check_files(fetched, info)
            fetched.rename(fresh)
        logger.info("fetched version %s to %s", version.version, target)


def prune(cache_dir: Path, keep: set[str]) -> int:
    """Remove local copies whose digest is not in `keep`; returns how many.

    A service that still has one open keeps reading it: mapped files outlive their name.
    """
    stale = [
        path
        for path in cache_dir.glob("[!.]*")
        if path.name not in keep and (path / "bundle.json").exists()
    ]
    for path in stale:
        shutil.rmtree(path)
    return len(stale)


def _ensure_model(client: "MlflowClient") -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(NAME)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version(found: "MlflowVersion") -> ModelVersion:
    tags = dict(found.tags)
    return ModelVersion(
        version=str(found.version),
        digest=tags.get("digest", ""),
        run_id=str(found.run_id),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        tags=tags,
    )
