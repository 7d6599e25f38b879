"""Builds a Bento from the champion's bundle: service, library and release in one folder.

The Bento holds the release itself, so it follows no registry, unpickles nothing, and serves the
same bytes that were proven. It is built in a process of its own, because BentoML imports the
service to describe it, from a staged folder, because a Bento holds what its build folder holds.
"""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

import kinoloop
from kinoloop.environment import Environment
from kinoloop.errors import BundleError, RegistryError
from kinoloop.registry.catalogues import fetch_catalogue
from kinoloop.registry.client import ModelRegistry
from kinoloop.release.signature import TRUSTED_FILE, load_trust, signed_by

logger = logging.getLogger(__name__)

SOURCE = Path(kinoloop.__file__).resolve().parent.parent
STAGED = ("kinoloop", "serving", "kinoloop.toml")
RECIPE = SOURCE / "serving" / "bentofile.yaml"


@task(name="build Bento", cache_policy=NO_CACHE)
def build_bento(environment: Environment) -> Path:
    """Build a Bento of the champion, once per release.

    Returns:
        Folder of the Bento; `bentoml serve <folder>` runs it, anywhere.

    Raises:
        RegistryError: There is no champion, or MLflow is away.
        BundleError: The champion's bundle is damaged, or BentoML refused; the message says why.
    """
    registry = ModelRegistry(environment.tracking_uri)
    champion = registry.champion()
    if champion is None:
        raise RegistryError("there is no champion to build a Bento from; `kinoloop promote` first")
    trust = load_trust(environment)
    bundle = fetch_catalogue(registry, champion, environment.releases, trust=trust)
    home = environment.state_dir.resolve() / "bentoml"
    version = f"v{champion.version}-{(champion.catalogue or champion.digest)[:12]}"
    target = home / "bentos" / "kinoloop" / version
    if not (target / "bento.yaml").exists():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:  # BentoML builds in no hidden folder
            _stage(Path(scratch), bundle)
            _build(Path(scratch), version, home)
        logger.info("built %s", target)
    return target


def _stage(folder: Path, bundle: Path) -> None:
    """Put together what the Bento will hold."""
    for name in STAGED:
        source = SOURCE / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "cli")
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, folder / name)
    shutil.copy(RECIPE, folder)
    shutil.copytree(bundle, folder / "bundle")
    (folder / TRUSTED_FILE).write_text(f"{signed_by(bundle)}\n", encoding="ascii")


def _build(folder: Path, version: str, home: Path) -> None:
    command = [sys.executable, "-m", "bentoml", "build", str(folder), "--version", version]
    variables = {
        **os.environ,
        "BENTOML_HOME": str(home),
        "KINOLOOP_SETTINGS_FILE": str(folder / "kinoloop.toml"),
    }
    done = subprocess.run(  # noqa: S603 (our own arguments)
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise BundleError(f"`bentoml build` of version {version} failed: {' '.join(said)}")
