"""Catalogue versions in the registry: beside the model that they were made for.

The pointer is a tag of the model's version (`ModelVersion.catalogue`), so whoever asks for the
champion learns of its catalogue with the same question, and a rollback brings the catalogue of the
model that it restores. Only files that the model's own bundle does not have are stored; whoever
fetches a version links the others from there. The tag moves when everything is stored: a version is
seen whole or not at all.
"""

import logging
import shutil
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from kinoloop import durable
from kinoloop.errors import BundleError
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.model_version import CATALOGUE, ModelVersion
from kinoloop.release.files import NOT_LISTED, link
from kinoloop.release.info import BundleInfo, read_info, verify
from kinoloop.release.parts import check_digest, check_names
from kinoloop.release.signature import Trust

logger = logging.getLogger(__name__)

FOLDER = "catalogues"
KEPT = 3
"""Versions that stay in the artifact store; a service that is fetching one may finish."""


def store_catalogue(
    registry: ModelRegistry, version: ModelVersion, bundle: Path, *, model: BundleInfo
) -> str:
    """Store a catalogue version and let the model's version point at it.

    Args:
        registry: Where to.
        version: Of the model.
        bundle: The catalogue version, checked and signed, on the disk of its parent's other files.
        model: Of the model's own bundle.

    Returns:
        Its digest.

    Raises:
        BundleError: It was made for another model.
        RegistryError: MLflow is away or refuses; the pointer stays.
    """
    info = read_info(bundle)
    if info.catalogue is None or info.catalogue.model != version.digest:
        raise BundleError(
            f"{bundle} is no catalogue version of model {version.digest[:12]}; publish again"
        )
    own = {n: d for n, d in info.files.items() if model.files.get(n) != d}
    folder = f"{FOLDER}/{info.catalogue.number:08d}-{info.digest}"
    with durable.scratch(bundle.parent) as scratch:
        staged = scratch / "catalogue"
        for name in (*own, *NOT_LISTED):
            link(bundle / name, staged / name)
        with registry.connection.speaking("store the catalogue version") as client:
            client.log_artifacts(version.run_id, str(staged), folder)
    registry.set_tag(version.version, CATALOGUE, info.digest)
    _drop_old(registry, version)
    return info.digest


def fetch_catalogue(
    registry: ModelRegistry, version: ModelVersion, cache_dir: Path, *, trust: Trust
) -> Path:
    """Fetch the newest catalogue version of a model, or return the copy that is kept.

    Every byte of it is hashed at every call, as by `ModelRegistry.download`. What its model's own
    bundle has, too, is linked from there.

    Returns:
        Its folder; that of the model's bundle where there is no catalogue version.

    Raises:
        BundleError: It is not what was published, or nobody trusted signed.
        RegistryError: MLflow is away or refuses.
    """
    if not version.catalogue:
        return registry.download(version, cache_dir, trust=trust)
    digest = check_digest(version.catalogue, f"the catalogue of version {version.version}")
    target = cache_dir / digest
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_dir / f".{digest}.lock"):
        if target.exists():
            try:
                _verify(target, version, trust)
            except BundleError as err:
                logger.warning("the local copy is fetched again: %s", err)
                shutil.rmtree(target)
            else:
                return target
        base = registry.download(version, cache_dir, trust=trust)
        with durable.appearing(target) as fresh:
            _download(registry, version, fresh)
            trust.verify(fresh)  # before any of it is parsed
            info, model = read_info(fresh), read_info(base)
            check_names(fresh, info.files)
            for name, expected in info.files.items():
                if not (fresh / name).exists() and model.files.get(name) == expected:
                    link(base / name, fresh / name)
            _verify(fresh, version, trust)
    logger.info("fetched catalogue %s of version %s", digest[:12], version.version)
    return target


def _download(registry: ModelRegistry, version: ModelVersion, target: Path) -> None:
    with registry.connection.speaking("fetch the catalogue version") as client:
        from mlflow.artifacts import download_artifacts

        stored = [f.path for f in client.list_artifacts(version.run_id, FOLDER)]
        found = next((path for path in stored if path.endswith(version.catalogue)), None)
        if found is None:
            raise BundleError(
                f"catalogue {version.catalogue[:12]} of version {version.version} is gone from "
                "the artifact store; run `kinoloop publish`"
            )
        fetched = download_artifacts(
            artifact_uri=f"runs:/{version.run_id}/{found}",
            dst_path=str(target.parent),
            tracking_uri=registry.tracking_uri,
        )
    Path(fetched).rename(target)


def _verify(directory: Path, version: ModelVersion, trust: Trust) -> None:
    info = verify(directory, trust)
    made_for = info.catalogue.model if info.catalogue else "no model"
    if info.digest != version.catalogue or made_for != version.digest:
        raise BundleError(
            f"version {version.version}: the catalogue is {info.digest} of {made_for}, published "
            f"was {version.catalogue} of {version.digest}; the artifact store was changed: run "
            "`kinoloop publish`"
        )


def _drop_old(registry: ModelRegistry, version: ModelVersion) -> None:
    """Remove catalogue versions that newer ones have replaced; what cannot be removed stays."""
    with registry.connection.speaking("drop old catalogue versions") as client:
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        stored = sorted(f.path for f in client.list_artifacts(version.run_id, FOLDER))
        uri = str(client.get_run(version.run_id).info.artifact_uri)
        for path in stored[:-KEPT]:
            with suppress(MlflowException, NotImplementedError, OSError):
                get_artifact_repository(uri, registry.tracking_uri).delete_artifacts(path)
