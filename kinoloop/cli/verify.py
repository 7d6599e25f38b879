"""`kinoloop verify`: read all that must not rot, and say what is damaged, what is lost, what next.

Heavy libraries are imported inside the check that needs them.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from kinoloop.environment import Environment

COUNTERS = "prometheus_multiproc_dir"
"""The metrics of the service's processes lie there, in files that only look like databases."""


@dataclass(frozen=True)
class Damaged:
    """What a check found.

    Attributes:
        path: The file.
        what: What is wrong with it.
        lost: What cannot be trusted any more.
        fix: The next step.
    """

    path: Path
    what: str
    lost: str
    fix: str


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify")(verify)


def verify(
    trusted_key: bool = typer.Option(
        False,
        "--trusted-key",
        help="Print the public half of the signing key here, the line for KINOLOOP_TRUSTED_KEYS of "
        "machines that only serve, and read nothing.",
    ),
) -> None:
    """Read tables, releases and state in full and compare checksums. Status 1 where one differs."""
    from kinoloop.environment import Environment

    environment, console = Environment(), Console(highlight=False, soft_wrap=True)
    if trusted_key:
        _print_trusted_key(environment)
        return
    found: list[Damaged] = []
    with console.status("Reading …"):
        for title, check in (
            ("tables", _tables),
            ("pseudonym key", _key),
            ("releases", _releases),
            ("state", _state),
        ):
            damaged = list(check(environment))
            found += damaged
            console.print(f"{title}: {f'{len(damaged)} damaged' if damaged else 'whole'}")
    waiting = _without_checksums(environment)
    if waiting:
        console.print(
            f"{waiting} commits have no checksum yet (of a run that was killed, or of an older "
            "version); the next `kinoloop ingest` notes theirs"
        )
    for one in found:
        console.print(
            f"[red]damaged:[/red] {escape(str(one.path))}: {escape(one.what)}\n"
            f"  lost: {escape(one.lost)}\n  next: {escape(one.fix)}"
        )
    if found:
        raise typer.Exit(1)


def _print_trusted_key(environment: "Environment") -> None:
    """Print the key alone on standard output; where releases are not signed yet, make the key."""
    from kinoloop.release.signature import load_signer

    key = load_signer(environment).public
    given = environment.signing_key is not None
    where = "KINOLOOP_SIGNING_KEY" if given else f"the key in {environment.state_dir}/signing.key"
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"Releases that {where} signs are trusted where KINOLOOP_TRUSTED_KEYS has:", markup=False
    )
    typer.echo(key)


def _tables(environment: "Environment") -> Iterator[Damaged]:
    """Every file of every table; thumbnails are in the table `media`."""
    from kinoloop.data.checksums import find_damage
    from kinoloop.data.tables import Tables
    from kinoloop.schema import TABLES

    tables = Tables(environment.data_dir)
    for name in TABLES:
        for damage in find_damage(tables, name):
            yield Damaged(
                damage.path, damage.what, damage.lost, _restored(environment, damage.path)
            )


def _without_checksums(environment: "Environment") -> int:
    from kinoloop.data.checksums import unsealed
    from kinoloop.data.tables import Tables
    from kinoloop.errors import DataError
    from kinoloop.schema import TABLES

    try:
        return sum(unsealed(Tables(environment.data_dir), name) for name in TABLES)
    except DataError:
        return 0  # `_tables` reports the damaged record


def _key(environment: "Environment") -> Iterator[Damaged]:
    """Check that the pseudonym key is that of the tables."""
    from kinoloop.data.key import FILE, check_key
    from kinoloop.data.tables import Tables
    from kinoloop.errors import ConfigError, DataError
    from kinoloop.privacy.pseudonyms import load_pseudonyms

    note, key = environment.data_dir / FILE, environment.state_dir / "pseudonym.key"
    if not note.exists():
        return
    lost = "new events would belong to other users than old ones: ingest refuses them"
    if environment.pseudonym_key is None and not key.exists():
        yield Damaged(key, "it is missing", lost, "restore it from your backup")
        return
    try:
        check_key(Tables(environment.data_dir), load_pseudonyms(environment))
    except DataError as err:
        yield Damaged(note, str(err), lost, _restored(environment, note))
    except ConfigError as err:
        fix = f"restore the key from your backup, or {note}: {_restored(environment, note)}"
        yield Damaged(key, str(err), lost, fix)


def _releases(environment: "Environment") -> Iterator[Damaged]:
    """Every release in the local cache, by its signature and its own digests."""
    from kinoloop.errors import BundleError, ConfigError
    from kinoloop.release.info import check_files, read_info
    from kinoloop.release.signature import load_trust

    try:
        trust = load_trust(environment)
    except ConfigError as err:
        lost = "no release can be signed or trusted here"
        yield Damaged(environment.state_dir / "signing.key", str(err), lost, "restore the key")
        return
    for bundle in sorted(path for path in environment.releases.glob("[!.]*") if path.is_dir()):
        try:
            trust.verify(bundle)
            info = read_info(bundle)
            check_files(bundle, info)
            if info.digest != bundle.name:
                what = f"it is the release {info.digest}"
                yield Damaged(bundle, what, "this copy of a release", f"`rm -r {bundle}`")
        except BundleError as err:
            fix = f"`rm -r {bundle}`: it is fetched from the registry again when it is needed"
            yield Damaged(bundle, str(err), "this copy of a release", fix)


def _state(environment: "Environment") -> Iterator[Damaged]:
    """Databases and notes of the state folder, as far as they can tell."""
    folder = environment.state_dir
    fix = "stop what uses it, then restore it from your backup, or move it away to start over"
    for path in sorted({*folder.rglob("*.db"), *folder.rglob("*.sqlite")}):
        if path.parent.name == COUNTERS:
            continue
        wrong = _quick_check(path)
        if wrong:
            yield Damaged(path, wrong, _kept_in(path), fix)
    for path in sorted((folder / "serving").glob("*.json")):
        try:
            json.loads(path.read_bytes())
        except ValueError as err:
            lost = "which release was in service; the registry says it too"
            yield Damaged(path, str(err), lost, f"`rm {path}`")


def _quick_check(path: Path) -> str:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            answer = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as err:
        return str(err)
    return "" if answer == "ok" else str(answer)


def _kept_in(path: Path) -> str:
    return {
        "live.db": "feedback that was not exported yet, and fresh histories",
        "mlflow.db": "the model registry: versions, aliases, runs",
        "hashes.sqlite": "nothing: it is made again",
    }.get(path.name, "what it kept")


def _restored(environment: "Environment", path: Path) -> str:
    """How a file of the data directory comes back."""
    data = environment.data_dir.resolve()
    if not data.with_name(f"{data.name}.dvc").exists():
        return f"restore {path} from your backup"
    # DVC trusts size and time of a file that it knows, and a bit that rots changes neither
    return (
        f"`rm {path} && dvc checkout {path}` (after `dvc fetch` where the cache has not got it); "
        "what came after the last pinned version is in the landing zone only"
    )
