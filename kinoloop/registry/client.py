"""Registered releases: versions, the aliases that point at them, and a local copy of each.

One registered model, `kinoloop`; `champion` serves, `challenger` waits for its proof, `previous`
is what a rollback restores. MLflow's aliases have no compare-and-swap, so whoever moves them
holds a lock that dies with its owner and reads back what was written.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kinoloop import durable
from kinoloop.errors import BundleError, RegistryError
from kinoloop.locks import held
from kinoloop.registry.connection import Connection
from kinoloop.registry.model_version import ModelVersion, model_version
from kinoloop.release.info import read_info, verify
from kinoloop.release.parts import check_digest
from kinoloop.release.signature import Trust, signed_by

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

NAME = "kinoloop"
DOWNLOAD_WAIT_S = 3600.0  # for another process that fetches the same release
Alias = Literal["champion", "challenger", "previous"]
ALIASES: tuple[Alias, ...] = ("champion", "challenger", "previous")
_BUNDLE_IN_MODEL = "model/artifacts/bundle"


class ModelRegistry:
    """The registry.

    Args:
        tracking_uri: Of MLflow.
    """

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri
        self._connection = Connection(tracking_uri)

    @property
    def connection(self) -> Connection:
        """For what else lives in MLflow beside versions and aliases."""
        return self._connection

    def ask(self) -> None:
        """Find out within seconds whether MLflow is there.

        Raises:
            RegistryError: MLflow is away, or accepts and does not answer.
        """
        self._connection.ask()

    def champion(self) -> ModelVersion | None:
        """Return the release in service; None before the first promotion.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        return self.by_alias("champion")

    def by_alias(self, alias: Alias) -> ModelVersion | None:
        """Return the release that an alias points at; None where it points at none.

        Raises:
            RegistryError: MLflow is away or refuses.
        """
        if self._connection.is_new:
            return None
        with self._connection.speaking(f"look up the {alias}") as client:
            from mlflow.exceptions import MlflowException

            try:
                return model_version(client.get_model_version_by_alias(NAME, alias))
            except MlflowException as err:
                if err.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                    return None
                raise

    def version(self, version: str) -> ModelVersion:
        """Return a release by its number.

        Raises:
            RegistryError: There is none, or MLflow is away or refuses.
        """
        with self._connection.speaking(f"look up version {version}") as client:
            return model_version(client.get_model_version(NAME, version))

    def register(self, bundle: Path, *, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Log a bundle as an MLflow model and register it; a bundle that is there stays one.

        Args:
            bundle: The bundle, checked and signed.
            run_id: Of the run that made it.
            tags: More of them; digest, dataset version, settings hash, kind and fingerprints are
                taken from the bundle.

        Raises:
            BundleError: The bundle is not signed.
            RegistryError: MLflow is away or refuses.
        """
        from kinoloop.registry.packaging import package

        info, signer = read_info(bundle), signed_by(bundle)
        with self._connection.speaking("register the release") as client:
            _ensure_model(client)
            known = client.search_model_versions(
                f"name = '{NAME}' and tags.digest = '{info.digest}'"
            )
            same = next((v for v in map(model_version, known) if v.signed_by == signer), None)
            with durable.scratch(bundle.parent) as scratch:
                package(bundle, info, scratch / "model")
                into = run_id if same is None else same.run_id  # what was damaged there heals
                client.log_artifacts(into, str(scratch / "model"), "model")
            if same is not None:
                return same
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
                    "signed_by": signer,
                    **{f"fingerprint.{m}": f for m, f in info.fingerprints.items()},
                    **tags,
                },
            )
        logger.info("registered version %s: %s", made.version, info.kind)
        return model_version(made)

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

    def download(self, version: ModelVersion, cache_dir: Path, *, trust: Trust) -> Path:
        """Download a release's bundle, or return the copy that is kept under its digest.

        Every byte of it is hashed at every call: a copy that was damaged since is fetched again. A
        fresh one gets its name when it is what was registered, signed by somebody who is trusted.

        Raises:
            BundleError: What was downloaded is not what was registered, or nobody trusted signed.
            RegistryError: MLflow is away or refuses, or another process has been downloading it
                for `DOWNLOAD_WAIT_S`.
        """
        digest = check_digest(version.digest, f"version {version.version} in the registry")
        target = cache_dir / digest
        cache_dir.mkdir(parents=True, exist_ok=True)
        lock, what = cache_dir / f".{digest}.lock", f"download of version {version.version}"
        with held(lock, what, wait_s=DOWNLOAD_WAIT_S, error=RegistryError):
            if target.exists():
                try:
                    _verify(target, version, trust)
                except BundleError as err:
                    logger.warning("the local copy is fetched again: %s", err)
                    shutil.rmtree(target)  # a service that has it open keeps reading it
                else:
                    return target
            durable.sweep(cache_dir)
            self._fetch(version, target, trust)
        return target

    @contextmanager
    def moving_aliases(self, state_dir: Path, *, timeout_s: float = 600) -> Iterator[None]:
        """Hold the lock under which aliases move; it dies with its owner, however that ends.

        Raises:
            RegistryError: Somebody else holds it for longer than `timeout_s`.
        """
        lock, what = state_dir / "aliases.lock", "promotion or rollback"
        with held(lock, what, wait_s=timeout_s, error=RegistryError):
            yield

    def _fetch(self, version: ModelVersion, target: Path, trust: Trust) -> None:
        with (
            durable.appearing(target) as fresh,
            self._connection.speaking(f"download version {version.version}") as client,
        ):
            from mlflow.artifacts import download_artifacts

            if not client.list_artifacts(version.run_id, _BUNDLE_IN_MODEL):
                raise BundleError(
                    f"version {version.version}: its files are gone from the artifact store; "
                    "run `kinoloop rollback`, or `kinoloop retrain --force` and `kinoloop promote`"
                )
            uri = f"runs:/{version.run_id}/{_BUNDLE_IN_MODEL}"
            fetched = Path(
                download_artifacts(
                    artifact_uri=uri, dst_path=str(fresh.parent), tracking_uri=self.tracking_uri
                )
            )
            _verify(fetched, version, trust)
            fetched.rename(fresh)
        logger.info("fetched version %s to %s", version.version, target)


def _verify(directory: Path, version: ModelVersion, trust: Trust) -> None:
    info = verify(directory, trust)
    if info.digest != version.digest:
        raise BundleError(
            f"version {version.version}: the bundle is {info.digest}, registered was "
            f"{version.digest}; the artifact store was changed, register again"
        )


def _ensure_model(client: "MlflowClient") -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(NAME)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
