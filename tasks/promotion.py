"""Tasks of promotion and rollback: weigh, record, move aliases."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.exposures import load_exposures
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.encoders.recorded import with_written
from kinoloop.environment import Environment
from kinoloop.errors import BundleError, DataError, RegistryError
from kinoloop.locks import held
from kinoloop.promotion.decision import Decision, Sides, decide
from kinoloop.promotion.gates import PromoteConfig
from kinoloop.promotion.record import to_markdown
from kinoloop.registry import aliases
from kinoloop.registry.catalogues import fetch_catalogue
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.model_version import ModelVersion
from kinoloop.registry.runs import Runs
from kinoloop.release.release import Release
from kinoloop.release.signature import load_trust
from kinoloop.settings import read_section
from kinoloop.training.model_selection import SplitConfig, cut
from tasks.catalogue import one_publication, publish_catalogue
from tasks.versioning import dataset_version

logger = logging.getLogger(__name__)

PROMOTED = "promoted"
"""Tag of a version: the evidence on which it became champion."""

REFUSED = "refused"
"""Tag of a version: the evidence on which it was refused."""

REFUSED_BECAUSE = "refused_because"
"""Tag of a version: the gates that refused it, one per line."""

TAG_LENGTH = 5000  # of MLflow


@dataclass(frozen=True)
class Challenge:
    """A challenger against the champion, on which evidence.

    Attributes:
        environment: Where things are.
        config: The gates.
        challenger: Waits for its proof.
        champion: In service; None before the first promotion.
        evidence: Changes when a new decision could end differently.
    """

    environment: Environment
    config: PromoteConfig
    challenger: ModelVersion
    champion: ModelVersion | None
    evidence: str

    @property
    def registry(self) -> ModelRegistry:
        """Where aliases move."""
        return ModelRegistry(self.environment.tracking_uri)


@contextmanager
def one_promotion(environment: Environment, *, timeout_s: float = 21_600) -> Iterator[None]:
    """Let one promotion run at a time on this machine; a rollback never waits for it.

    Raises:
        RegistryError: Another promotion runs for longer than `timeout_s`.
    """
    lock = environment.state_dir / "promotion.lock"
    with held(lock, "promotion", wait_s=timeout_s, error=RegistryError):
        yield


@task(name="find challenger", retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE)
def find_challenge(environment: Environment) -> Challenge | None:
    """Find the challenger and the champion; None where nobody waits."""
    registry = ModelRegistry(environment.tracking_uri)
    challenger, champion = registry.by_alias("challenger"), registry.champion()
    if challenger is None or (champion and champion.version == challenger.version):
        return None
    config = read_section("promote", PromoteConfig, environment.settings_file)
    facts = [champion and champion.digest, dataset_version(environment), config.model_dump()]
    evidence = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return Challenge(environment, config, challenger, champion, evidence)


def known_refusals(challenge: Challenge) -> list[str]:
    """Which gates refused the challenger on this evidence; empty where it was not weighed on it."""
    tags = challenge.challenger.tags
    return refusals_of(tags) if tags.get(REFUSED) == challenge.evidence else []


def refusals_of(tags: Mapping[str, str]) -> list[str]:
    """Which gates refused a version that never was champion, by its tags."""
    if REFUSED not in tags or PROMOTED in tags:
        return []
    return tags.get(REFUSED_BECAUSE, "see its record in MLflow").splitlines()


@task(name="bring catalogues up to date", cache_policy=NO_CACHE)
def catch_up(challenge: Challenge) -> Challenge:
    """Publish for both sides what the tables hold, so that both are judged on one catalogue.

    One whose bundle is damaged, or that answers otherwise with the new catalogue, keeps the one it
    has, and the record says what it lacks.
    """
    champion = challenge.champion
    with one_publication(challenge.environment):
        return replace(
            challenge,
            challenger=_published(challenge, challenge.challenger),
            champion=None if champion is None else _published(challenge, champion),
        )


def _published(challenge: Challenge, version: ModelVersion) -> ModelVersion:
    """Return the version as it is after its publication."""
    try:
        publish_catalogue.fn(challenge.environment, version)  # no task of its own: it may fail
    except (BundleError, DataError) as err:
        logger.warning("version %s keeps the catalogue that it has: %s", version.version, err)
    return challenge.registry.version(version.version)


@task(name="weigh", cache_policy=NO_CACHE)
def weigh(challenge: Challenge) -> Decision:
    """Measure both, as `catch_up` left them, on the challenger's test window, cut again."""
    environment = challenge.environment
    challenger = _open(challenge.registry, challenge.challenger, environment)
    champion, notes = _open_champion(challenge)
    tables = Tables(environment.data_dir)
    ids = load_catalogue(tables, {}).ids
    known_until = challenger.info.known_until
    until = known_until + timedelta(microseconds=1) if known_until else None
    histories = load_histories(
        tables,
        ids,
        read_section("interest", InterestConfig, environment.settings_file),
        until=until,
    )
    sides = [side for side in (challenger, champion) if side is not None]
    if any(side.texts.space for side in sides):
        prints = challenger.info.fingerprints
        histories = with_written(histories, tables, prints, until=until)
    holdout = cut(histories, SplitConfig.model_validate(challenger.info.split)).test
    if any(side.reranking and side.reranking.ranker.reads_situations for side in sides):
        holdout = holdout.situated(load_exposures(tables, ids))
    versions = Sides(
        challenger=challenge.challenger.version,
        champion=challenge.champion.version if challenge.champion and champion else None,
    )
    decision = decide(challenger, champion, holdout, challenge.config, ids=ids, versions=versions)
    return decision.model_copy(update={"notes": [*notes, *decision.notes]})


@task(name="move champion", retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE)
def move_champion(challenge: Challenge) -> None:
    """Make the challenger champion, if both are still who they were when they were weighed.

    Raises:
        RegistryError: Somebody moved an alias meanwhile, or MLflow is away or refuses.
    """
    registry, weighed = challenge.registry, challenge.champion and challenge.champion.version
    with registry.moving_aliases(challenge.environment.state_dir):
        champion = registry.champion()
        now = champion and champion.version
        if now not in {weighed, challenge.challenger.version}:
            raise RegistryError(
                f"the champion changed from version {weighed} to {now} while "
                f"version {challenge.challenger.version} was weighed; promote again"
            )
        if now != challenge.challenger.version:  # else an earlier attempt of this task got that far
            aliases.promote(registry, challenge.challenger.version)
        registry.set_tag(challenge.challenger.version, PROMOTED, challenge.evidence)
    logger.info("version %s is champion", challenge.challenger.version)


@task(name="record decision", retries=2, retry_delay_seconds=2, cache_policy=NO_CACHE)
def record_decision(challenge: Challenge, decision: Decision) -> None:
    """Keep the record in MLflow (with the challenger's run) and as a Prefect artifact.

    It is written before an alias moves: killed in between, a decision stands there that was not
    carried out (the version lacks the tag `promoted`) and the next promote decides again; the other
    way round a champion would be in service for which nobody could say why.
    """
    page = to_markdown(decision)
    runs, run_id = Runs(challenge.environment.tracking_uri), challenge.challenger.run_id
    name = f"decisions/{decision.decided_at:%Y%m%dT%H%M%S}"
    runs.log_text(run_id, decision.model_dump_json(indent=2), f"{name}.json")
    runs.log_text(run_id, page, f"{name}.md")
    verdict = PROMOTED if decision.promoted else REFUSED
    if not decision.promoted:
        reasons = "\n".join(decision.refusals)[:TAG_LENGTH]
        challenge.registry.set_tag(challenge.challenger.version, REFUSED_BECAUSE, reasons)
        challenge.registry.set_tag(challenge.challenger.version, REFUSED, challenge.evidence)
    create_markdown_artifact(
        key="decision",
        markdown=page,
        description=f"Version {challenge.challenger.version} {verdict}",
    )


@task(name="restore previous", cache_policy=NO_CACHE)
def restore_previous(environment: Environment) -> tuple[ModelVersion, ModelVersion]:
    """Swap champion and previous, after the previous release has passed its check.

    Returns:
        The champion before and the champion now.

    Raises:
        RegistryError: There is nothing to go back to.
        BundleError: The previous release is damaged.
    """
    registry = ModelRegistry(environment.tracking_uri)
    with registry.moving_aliases(environment.state_dir):
        champion, previous = aliases.to_restore(registry)
        _open(registry, previous.with_own_catalogue(), environment).ask_golden()
        _record_rollback(environment, champion, previous)  # first, as in `record_decision`
        aliases.roll_back(registry)
    return champion, previous


def _record_rollback(
    environment: Environment, champion: ModelVersion, restored: ModelVersion
) -> None:
    now = datetime.now(UTC)
    page = (
        f"# Rolled back to version {restored.version}\n\n{now:%Y-%m-%d %H:%M} UTC · version "
        f"{champion.version} left service and is `previous` now; `kinoloop rollback` undoes this.\n"
    )
    record = {"decided_at": now.isoformat(), "restored": restored.version, "left": champion.version}
    runs, name = Runs(environment.tracking_uri), f"decisions/{now:%Y%m%dT%H%M%S}-rollback"
    runs.log_text(restored.run_id, json.dumps(record, indent=2), f"{name}.json")
    runs.log_text(restored.run_id, page, f"{name}.md")
    create_markdown_artifact(
        key="decision", markdown=page, description=f"Rolled back to version {restored.version}"
    )


def _open_champion(challenge: Challenge) -> tuple[Release | None, list[str]]:
    """Open the champion's release; return a note where it is damaged, gone or not to be trusted.

    A champion that nobody can open serves nobody, and would else stand in every successor's way.
    """
    champion, environment = challenge.champion, challenge.environment
    if champion is None:
        return None, []
    why = ""
    if champion.signed_by not in load_trust(environment).keys:  # even if its like is kept here
        why = "it is not signed by a key that is trusted here"
    else:
        try:
            return _open(challenge.registry, champion, environment), []
        except BundleError as err:
            why = str(err)
    note = (
        f"The champion, version {champion.version}, cannot be opened, so nothing was compared "
        f"with it: {why}"
    )
    logger.warning("%s", note)
    return None, [note]


def _open(registry: ModelRegistry, version: ModelVersion, environment: Environment) -> Release:
    """Open a release with its newest catalogue version."""
    trust = load_trust(environment)
    folder = fetch_catalogue(registry, version, environment.releases, trust=trust)
    return Release.open(folder, trust)
