"""Tasks of publishing: the champion gets a catalogue version of what the tables hold now.

They hold a lock that dies with its owner. What they write appears whole: killed anywhere, the
registry points at the old catalogue version or at the new one.
"""

import logging
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray
from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from kinoloop import durable
from kinoloop.data.arrivals import seconds_since_landing
from kinoloop.data.catalogue import load_moments, load_thumbnails
from kinoloop.data.growth import Growth, grow
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.errors import BundleError, RegistryError
from kinoloop.locks import held
from kinoloop.registry.catalogues import fetch_catalogue, store_catalogue
from kinoloop.registry.client import Alias, ModelRegistry
from kinoloop.registry.copies import keep_copy
from kinoloop.registry.model_version import ModelVersion
from kinoloop.release.catalogue import open_joint
from kinoloop.release.info import BundleInfo, read_info
from kinoloop.release.popularity import has_moved, popularity_now
from kinoloop.release.release import Release
from kinoloop.release.signature import Trust, load_signer, load_trust
from kinoloop.release.version import write_version
from kinoloop.retrieval.config import RetrievalConfig
from kinoloop.schema import TIME
from kinoloop.settings import read_section
from tasks.results import PublishedCatalogue, PublishSummary
from tasks.versioning import dataset_version

logger = logging.getLogger(__name__)

READ = ("videos", "features", "labels", "duplicates", "media", "moderation", "events")
"""Tables that a catalogue version is made of."""

NEEDS: tuple[Alias, ...] = ("champion", "challenger", "previous")
"""What serves, what may serve next, and what a rollback restores."""


def one_publication(environment: Environment) -> AbstractContextManager[None]:
    """Hold the lock under which catalogue versions are made."""
    lock, what = environment.private_state() / "publish.lock", "publication"
    return held(lock, what, wait_s=600, error=RegistryError)


@task(name="find who needs a catalogue", retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE)
def find_models(environment: Environment) -> list[ModelVersion]:
    """Return what serves, or may serve soon; whoever is not trusted here is none.

    Raises:
        RegistryError: MLflow is away.
    """
    registry, trusted = ModelRegistry(environment.tracking_uri), load_trust(environment).keys
    found = [registry.by_alias(alias) for alias in NEEDS]
    return [one for one in found if one is not None and one.signed_by in trusted]


@task(
    name="publish catalogue", task_run_name="publish for {version.version}", cache_policy=NO_CACHE
)
def publish_catalogue(environment: Environment, version: ModelVersion) -> PublishedCatalogue | None:
    """Make the next catalogue version of a model; call it inside `one_publication`.

    Returns:
        None where the tables hold nothing that its newest one does not have.

    Raises:
        BundleError: The model is damaged, or answers otherwise with the new catalogue.
        DataError: A table is damaged.
        RegistryError: MLflow is away or refuses.
    """
    started, tables = time.monotonic(), Tables(environment.data_dir)
    registry, trust = ModelRegistry(environment.tracking_uri), load_trust(environment)
    made_of = {
        "dataset_version": dataset_version(environment),
        "table_versions": {name: tables.version(name) for name in READ},
    }
    folder = registry.download(version, environment.releases, trust=trust)
    model = Release.read(folder, read_info(folder))
    before = _newest(registry, version, environment, trust=trust) or model
    known = before.info.catalogue
    if known is not None and known.table_versions == made_of["table_versions"]:
        return None
    since = known.extracted_until if known else 0
    joint = open_joint(before.directory, before.info)
    growth = grow(tables, before.catalogue, since=since, joint=joint)
    growth = replace(growth, popularity=_popularity(environment, tables, growth, model))
    moved = _has_news(tables, before.info) and has_moved(
        before.recommender.prior, growth.popularity
    )
    if not len(growth.touched) and not moved:
        logger.info("version %s knows every video as it is", version.version)
        return None
    durable.sweep(environment.releases)
    bundle = environment.releases / f".publishing-{version.digest}"
    shutil.rmtree(bundle, ignore_errors=True)  # of a run that was killed
    info = write_version(
        bundle,
        model=model,
        before=before,
        growth=growth,
        thumbnails=load_thumbnails(tables, of=_ids(growth)).iter_rows(),
        moments=load_moments(tables, before.info.fingerprints.get("text"), of=_ids(growth)),
        made_of=made_of,
        retrieval=read_section("retrieval", RetrievalConfig, environment.settings_file),
    )
    load_signer(environment).sign(bundle)
    digest = store_catalogue(registry, version, bundle, model=model.info)
    keep_copy(bundle, environment.releases, digest)
    return PublishedCatalogue(
        model_version=version.version,
        number=info.catalogue.number if info.catalogue else 0,
        digest=digest,
        videos=info.videos,
        new=growth.new,
        changed=len(growth.changed) - growth.withdrawn,
        withdrawn=growth.withdrawn,
        seconds=round(time.monotonic() - started, 3),
        since_landing=_since_landing(growth),
    )


@task(name="report publication", cache_policy=NO_CACHE)
def report_publication(done: PublishSummary) -> None:
    """Leave what was published as an artifact."""
    rows = "\n".join(
        f"| {one.model_version} | {one.number} | {one.videos} | {one.new} | {one.changed} | "
        f"{one.withdrawn} | {one.seconds:.1f} s | {_way(one)} |"
        for one in done.published
    )
    head = (
        "| model | catalogue version | videos | new | changed | withdrawn | took "
        "| from landing until here |"
    )
    create_markdown_artifact(
        key="publish",
        markdown=f"## Published\n\n{head}\n|---|---|---|---|---|---|---|---|\n{rows}\n",
        description="Catalogue versions that were made",
    )


def _newest(
    registry: ModelRegistry, version: ModelVersion, environment: Environment, *, trust: Trust
) -> Release | None:
    """Open the newest catalogue version; None where there is none, or it is damaged."""
    if not version.catalogue:
        return None
    try:
        folder = fetch_catalogue(registry, version, environment.releases, trust=trust)
        return Release.read(folder, read_info(folder))
    except BundleError as err:
        logger.warning("its catalogue is made anew from the model's own: %s", err)
        return None


def _popularity(
    environment: Environment, tables: Tables, growth: Growth, model: Release
) -> NDArray[np.float32] | None:
    """Count what is popular now, as the model would."""
    days = model.recommender.config.prior_half_life_days
    interest = read_section("interest", InterestConfig, environment.settings_file)
    return popularity_now(tables, growth.catalogue.ids, interest, half_life_days=days)


def _has_news(tables: Tables, before: BundleInfo) -> bool:
    """Whether there are events that a release, or the catalogue version, did not know."""
    if not tables.exists("events"):
        return False
    if before.catalogue is not None:
        return before.catalogue.table_versions.get("events") != tables.version("events")
    newest = tables.scan("events").select(pl.col("timestamp").max()).collect().item()
    return newest is not None and (before.known_until is None or newest > before.known_until)


def _since_landing(growth: Growth) -> tuple[float, float] | None:
    """Median and longest way of new videos from landing until now, seconds."""
    new = growth.catalogue.videos[len(growth.catalogue) - growth.new :]
    landed = new.with_columns(now=pl.lit(datetime.now(UTC), TIME))
    took = seconds_since_landing(landed, "now")
    if not len(took):
        return None
    return round(float(np.median(took)), 1), round(float(took.max()), 1)


def _way(one: PublishedCatalogue) -> str:
    """How long new videos took, in words."""
    if one.since_landing is None:
        return ""
    median, longest = one.since_landing
    return f"{median:.0f} s, at most {longest:.0f} s"


def _ids(growth: Growth) -> list[str]:
    return growth.catalogue.ids.externals(growth.touched)
