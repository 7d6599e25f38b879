"""`kinoloop lineage` and `kinoloop link`: where an answer came from, and who is one person."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from kinoloop.environment import Environment
    from serving.inputs import Made


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("lineage")(lineage)
    app.command("link")(link)


def lineage(
    request_id: str = typer.Argument(metavar="REQUEST", help="request_id of an answer."),
    to: Path | None = typer.Option(
        None, help="New folder for all that the answer came from: release, facts, data."
    ),
) -> None:
    """Follow an answer back to the files it came from, and compute it again.

    The status is 1 where it cannot be computed again, or comes out otherwise.
    """
    from kinoloop.environment import Environment
    from kinoloop.errors import DataError
    from serving import inputs
    from serving.lineage import find

    environment, console = Environment(), Console(highlight=False, soft_wrap=True)
    folder = environment.state_dir / "serving" / "lineage"
    found = find(folder, request_id)
    made = inputs.find(folder, request_id, inputs.seal_of(environment))
    if found is None:
        raise DataError(
            f"no answer {request_id!r} is on record in {folder}; take the request_id of an answer "
            "of this installation that is not older than [serving] lineage_days"
        )
    bundle = _release_of(environment, found)
    facts = _facts(found, bundle)
    for name in ("endpoint", "answered_at", "model_version", "catalogue_version", "run_id"):
        console.print(f"{name:<18} {escape(str(found.get(name)))}")
    console.print(f"{'dataset_version':<18} {found['dataset_version']}")
    console.print(f"{'release':<18} {bundle}, {len(facts['files'])} files with their digests")
    for table, version in facts["table_versions"].items():
        console.print(f"{'table ' + table:<18} version {version}")
    if to is not None:
        _check_outside(to, environment, bundle)
        _check_out(to, bundle, facts)
        console.print(f"release checked out to {to / 'release'}")
        _check_out_data(environment, facts["dataset_version"], to, console)
    if made is None:
        console.print(
            "[yellow]not computed again: what it was made from is not on record "
            "(a second after the answer at the soonest)[/yellow]"
        )
        raise typer.Exit(1)
    again = _replayed(environment, bundle, made)
    if again != [tuple(place) for place in made.answer]:
        console.print(f"[red]computed again, it differs:[/red] {made.answer} became {again}")
        raise typer.Exit(1)
    console.print(f"computed again: {len(again)} places and scores are equal, bit by bit")


def link(
    user: str = typer.Argument(help="Id of a device, or of somebody before the login."),
    person: str = typer.Argument(help="Id of the person whom it is."),
) -> None:
    """Say that two ids are one person: one history, in the service and in training."""
    from kinoloop.environment import Environment
    from kinoloop.errors import ConfigError
    from kinoloop.ingestion.rule import IngestConfig
    from kinoloop.privacy.pseudonyms import load_pseudonyms
    from kinoloop.settings import read_section
    from serving.config import ServingConfig
    from serving.event_check import EventCheck
    from serving.outbox import Outbox
    from serving.state import open_state

    environment = Environment()
    settings = environment.settings_file
    check = EventCheck(
        read_section("ingest", IngestConfig, settings),
        pseudonym=load_pseudonyms(environment).of,
        clock_skew_s=0.0,
    )
    event = {"user_id": user, "event": "identify", "person_id": person}
    checked = check.sort_out([event], None)
    for rejection in checked.rejections:
        raise ConfigError(f"{rejection.field}: {rejection.reason}, expected {rejection.expected}")
    state = open_state(environment)
    state.record(checked.events, checked.parcels, checked.persons)
    config = read_section("serving", ServingConfig, settings)
    Outbox(state, environment.landing, max_rows=config.export_rows).export()
    state.shut()
    Console(highlight=False).print(
        "linked: it counts in the next request; training follows with kinoloop ingest and retrain"
    )


def _release_of(environment: "Environment", found: dict[str, Any]) -> Path:
    """Find the release of an answer: the one that is served, a kept copy, or from the registry.

    Raises:
        BundleError: It is nowhere, or not what it was.
    """
    from kinoloop.errors import BundleError
    from kinoloop.registry.client import ModelRegistry
    from kinoloop.release.info import verify
    from kinoloop.release.signature import load_trust

    digest, trust = str(found.get("model_digest")), load_trust(environment)
    kept = environment.releases / digest
    if environment.bundle is not None:
        bundle = environment.bundle
    elif kept.exists():
        bundle = kept
    else:
        registry = ModelRegistry(environment.tracking_uri)
        version = registry.version(found["model_version"])
        bundle = registry.download(version, environment.releases, trust=trust)
    if verify(bundle, trust).digest != digest:
        raise BundleError(
            f"{bundle} is not the release of this answer: expected digest {digest}; set "
            "KINOLOOP_BUNDLE to the one that served, or unset it to ask the registry"
        )
    return bundle


def _facts(found: dict[str, Any], bundle: Path) -> dict[str, Any]:
    from kinoloop.release.info import read_info

    info = read_info(bundle)
    return {**found, "table_versions": info.table_versions, "files": info.files}


def _check_outside(to: Path, environment: "Environment", bundle: Path) -> None:
    """Refuse a folder where the installation keeps its own.

    Raises:
        DataError: It is one of them, or lies in one.
    """
    from kinoloop.errors import DataError

    own = (
        *(bundle, environment.releases, environment.state_dir),
        *(environment.data_dir, Path(environment.landing)),
    )
    try:
        place = to.resolve()
    except (OSError, RuntimeError) as err:  # links that go round
        raise DataError(f"{to} is no place for a folder: {err}; name another") from err
    for folder in own:
        if place.is_relative_to(folder.resolve()):
            raise DataError(f"{to} lies in {folder}, which Kinoloop keeps; name a folder elsewhere")


def _check_out(to: Path, bundle: Path, facts: dict[str, Any]) -> None:
    """Write all that an answer came from into a new folder; whole, or not at all.

    Raises:
        DataError: The folder exists, or cannot be made.
    """
    from kinoloop import durable
    from kinoloop.errors import DataError

    try:
        if to.exists() or to.is_symlink():
            raise DataError(f"{to} exists already; name a new folder")
        with durable.appearing(to) as fresh:
            shutil.copytree(bundle, fresh / "release")
            (fresh / "lineage.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")
    except (OSError, shutil.Error) as err:
        raise DataError(
            f"the release cannot be written to {to}: {err}; name another folder"
        ) from err


def _check_out_data(environment: "Environment", version: str, to: Path, console: Console) -> None:
    """Check out the tables, and say what came of it: without them an answer can be made again."""
    from kinoloop.errors import DataError
    from tasks.checkout import check_out_data

    try:
        data = check_out_data(environment, version, to)
    except DataError as err:
        console.print(f"[yellow]data not checked out: {escape(str(err))}[/yellow]")
    else:
        console.print(f"data checked out to {data}, as dataset {version}")


def _replayed(environment: "Environment", bundle: Path, made: "Made") -> list[tuple[str, float]]:
    from kinoloop.release.release import Release
    from kinoloop.release.signature import load_trust
    from serving.slates import slate_of
    from serving.startup import one_thread

    one_thread()  # sums come out as they did in the service
    release = Release.open(bundle, load_trust(environment))
    release.availability.overrule(made.asked.overruled)
    slate = slate_of(release, made.asked)
    return [(place.video_id, place.score) for place in slate]
