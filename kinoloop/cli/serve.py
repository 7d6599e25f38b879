"""`kinoloop serve` starts the service; `recommend` and `search` ask it, or the champion itself."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape

from kinoloop.cli.tables import show

if TYPE_CHECKING:
    from kinoloop.environment import Environment
    from kinoloop.release.slate import Slate
    from serving.asking import Wish
    from serving.in_service import InService

ANSWER_S = 10.0

_FILTER = re.compile(r"(.+?)(!=|>=|<=|=)(.*)", re.DOTALL)

_FILTERS: list[str] = typer.Option(
    [],
    "--filter",
    metavar="COLUMN=VALUE",
    help="Only videos with this value in language, category, creator_id, tags or another column of "
    "the catalogue; COLUMN!=VALUE: without it; COLUMN>=N and COLUMN<=N: a number or a time in a "
    "range. Repeatable: several values of a column are any of them, several columns all.",
)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("serve")(serve)
    app.command("recommend")(recommend)
    app.command("search")(search)


def serve() -> None:
    """Start the service and stay; it follows the champion by itself.

    Address and port: KINOLOOP_HOST and KINOLOOP_SERVICE_PORT; workers: section `serving` of
    kinoloop.toml.
    """
    import os

    from kinoloop.cli.backends import connect
    from kinoloop.cli.own_service import check_binding, service
    from kinoloop.cli.servers import check_port
    from kinoloop.cli.settings_check import check_service
    from kinoloop.environment import Environment

    environment = Environment()
    check_service(environment)
    environment = connect(environment)
    server = service(environment)
    check_binding(environment)  # the service itself says who may ask
    check_port(server)
    Console(stderr=True).print(f"Starting the service at http://{server.host}:{server.port}/ …")
    # This process becomes the server, so that Ctrl-C and SIGTERM reach it as they are.
    # Without servers the registry is the file in the state folder, as for retrain and promote.
    variables = {**server.variables, "KINOLOOP_MLFLOW_URI": environment.tracking_uri}
    os.execvpe(server.command[0], [*server.command], {**os.environ, **variables})  # noqa: S606


def recommend(
    user: str | None = typer.Option(
        None, "--user", "-u", help="User id, as it arrives in the events."
    ),
    users: Path | None = typer.Option(None, help="Text file of user ids, one a line; with --out."),
    all_users: bool = typer.Option(
        False, "--all-users", help="Every user with a history in the release; with --out."
    ),
    out: Path | None = typer.Option(None, help="Parquet file for the slates of many users."),
    top_k: int = typer.Option(10, "--top-k", "-k", min=1, max=500, help="Length of a slate."),
    filters: list[str] = _FILTERS,
    surface: str | None = typer.Option(None, help="Where it is shown, such as home."),
    device: str | None = typer.Option(None, help="On what it is shown, such as tv."),
    explain: bool = typer.Option(
        default=False, help="Tell what moved each video, and why others left."
    ),
) -> None:
    """Show a user's slate, or write those of many: from the service, else the champion's release.

    Surface and device count where the ranker has learned from them. Slates of many users are made
    from the release, and do not count as shown.
    """
    from kinoloop.cli.backends import connect
    from kinoloop.data.situations import situation_of
    from serving.asking import Wish

    _check_whom(user, users, all_users, out)
    wanted = _wanted(filters)
    environment = connect()
    situation = situation_of(surface or "recommend", device)
    wish = Wish(
        top_k, None, [], include_seen=False, situation=situation, filters=wanted, explain=explain
    )
    if out is not None:
        _write_many(environment, users, out, wish)
        return
    asked = {"user_id": user, "top_k": top_k, "filters": wanted}
    asked |= {"surface": surface, "device": device, **({"explain": True} if explain else {})}
    found = _from_service(environment, "recommend", asked)
    _print(found or _from_champion(environment, str(user), wish))


def search(
    query: str = typer.Argument(help="What to look for, in words."),
    top_k: int = typer.Option(10, "--top-k", "-k", min=1, max=500, help="How many videos."),
    filters: list[str] = _FILTERS,
) -> None:
    """Find videos and the moment that shows, reads or says it: from the service, else the champion.

    The time in the reason is where in the video it is.
    """
    from kinoloop.cli.backends import connect
    from kinoloop.errors import ConfigError
    from kinoloop.release.given import Given
    from serving.startup import open_champion

    if not query.strip():
        raise ConfigError('there is nothing to look for; give some words: kinoloop search "a dog"')
    wanted = _wanted(filters)
    environment = connect()
    asked = {"query": query, "top_k": top_k, "filters": wanted}
    found = _from_service(environment, "search", asked)
    if found is None:
        current = open_champion(environment)
        slate = current.release.search(query, top_k=top_k, given=Given(filters=wanted))
        found = _read(current, slate)
    _print(found)


def _wanted(filters: Sequence[str]) -> dict[str, Any]:
    """Read `COLUMN=VALUE`, `COLUMN!=VALUE`, `COLUMN>=NUMBER` and `COLUMN<=NUMBER`, by column.

    Raises:
        ConfigError: One has another form, or a range ends nowhere.
    """
    from kinoloop.errors import ConfigError
    from kinoloop.policy.filters import check_bounds

    wanted: dict[str, dict[str, Any]] = {}
    for text in filters:
        found = _FILTER.fullmatch(text)
        column, sign, value = (part.strip() for part in found.groups()) if found else ("", "", "")
        if not column or not value:
            raise ConfigError(
                f"--filter {text!r}: expected COLUMN=VALUE, such as --filter language=en, or "
                "COLUMN!=VALUE, COLUMN>=NUMBER, COLUMN<=NUMBER; several values of one column are "
                "any of them"
            )
        condition = wanted.setdefault(column, {})
        if sign in {">=", "<="}:
            condition["min" if sign == ">=" else "max"] = value
        else:
            condition.setdefault("any" if sign == "=" else "not", []).append(value)
    asked: dict[str, Any] = {**wanted}
    check_bounds(asked)
    return {name: one["any"] if one.keys() == {"any"} else one for name, one in wanted.items()}


def _print(answer: dict[str, Any]) -> None:
    rows = []
    for rank, place in enumerate(answer["slate"], start=1):
        cells = (place["title"], place["reason"], place["video_id"], f"{place['score']:.4g}")
        rows.append([str(rank), *(escape(cell) for cell in cells)])
    console = Console(highlight=False)
    show(console, ["", "title", "why", "video", "score"], rows, words=(1, 2, 3))
    if "explained" in answer:
        _print_explained(console, answer["explained"])
    console.print(
        f"[dim]model version {escape(answer['model_version'])}, "
        f"dataset {escape(answer['dataset_version'][:12])}, {answer['source']}[/dim]"
    )


def _print_explained(console: Console, explained: dict[str, Any]) -> None:
    rows = []
    for one in explained["places"]:
        moves = [f"{move['rule']} {move['from'] or '-'} → {move['to']}" for move in one["moved"]]
        rows.append([str(one["place"]), escape(one["video_id"]), str(one["was"]), ", ".join(moves)])
    show(console, ["", "video", "was", "moved by"], rows, words=(1, 3))
    gone = [[str(one["place"]), escape(one["video_id"]), one["rule"]] for one in explained["left"]]
    show(console, ["was", "that left", "by"], gone, words=(1, 2))


def _from_service(
    environment: "Environment", endpoint: str, body: dict[str, Any]
) -> dict[str, Any] | None:
    """Ask the running service; None where none runs.

    Raises:
        ConfigError: It runs and cannot answer.
    """
    import httpx

    from kinoloop.cli.own_service import caller, service_url
    from kinoloop.errors import ConfigError

    url = service_url(environment)
    try:
        with caller(environment, patience_s=ANSWER_S) as client:
            response = client.post(f"/{endpoint}", json=body)
        answer: dict[str, Any] = response.json()
    except httpx.ConnectError:
        return None
    except (httpx.HTTPError, ValueError) as err:
        raise ConfigError(
            f"{url} does not answer as the service does: {err!r}; is another program on the port? "
            "Set KINOLOOP_SERVICE_PORT to the port of the service"
        ) from err
    if response.is_error:
        named = answer.get("error") == "unknown_filter"  # else it lists fields, not options
        told = f" (got {answer.get('got')!r}, expected {answer.get('expected')})" if named else ""
        raise ConfigError(f"{answer.get('what')}{told}: {answer.get('next_step')}")
    return {**answer, "source": f"answered by {url}"}


def _from_champion(environment: "Environment", user: str, wish: "Wish") -> dict[str, Any]:
    """Answer from the champion's release; see `kinoloop.cli.from_release`."""
    import asyncio

    from kinoloop.cli.from_release import opened
    from kinoloop.privacy.pseudonyms import load_pseudonyms

    pseudonym = load_pseudonyms(environment).of(user.strip())  # as ingestion reads ids
    with opened(environment) as release:
        return _read(release.current, asyncio.run(release.slate(pseudonym, wish)))


def _check_whom(user: str | None, users: Path | None, all_users: bool, out: Path | None) -> None:
    from kinoloop.errors import ConfigError

    if (user is not None) + (users is not None) + all_users != 1:
        raise ConfigError("say for whom: --user ID, --users FILE, or --all-users")
    if (out is None) != (user is not None):
        raise ConfigError(
            "--out FILE.parquet goes with --users FILE or --all-users, and they with it; the slate "
            "of one --user is shown"
        )


def _write_many(environment: "Environment", users: Path | None, out: Path, wish: "Wish") -> None:
    """Write the slates of the users of a file, or of every user of the release."""
    from rich.progress import MofNCompleteColumn, Progress

    from kinoloop.cli.from_release import opened
    from kinoloop.cli.many_slates import User, users_in, write_slates
    from kinoloop.privacy.pseudonyms import load_pseudonyms
    from kinoloop.release.user_histories import UserHistories

    pseudonyms = load_pseudonyms(environment)
    columns, console = (*Progress.get_default_columns(), MofNCompleteColumn()), Console(stderr=True)
    with opened(environment) as release, Progress(*columns, console=console) as bar:
        if users is not None:
            whom = (User(name, pseudonyms.of(name)) for name in users_in(users))
            total = None
        else:
            known = UserHistories(release.current.release.directory / "histories")
            whom = (User(name, name) for name in known.pseudonyms())
            total = len(known)
        task = bar.add_task("Slates", total=total)
        written = write_slates(
            out, whom, release, wish, progress=lambda done: bar.update(task, completed=done)
        )
        bar.update(task, completed=written.users + written.empty)
    console = Console(highlight=False, soft_wrap=True)
    empty = f"; for {written.empty:,} users nothing is left" if written.empty else ""
    console.print(
        f"{written.users:,} slates, {written.places:,} places, by model version "
        f"{escape(release.current.model_version)} in {escape(str(out))}{empty}"
    )


def _read(current: "InService", slate: "Slate") -> dict[str, Any]:
    return {
        "model_version": current.model_version,
        "dataset_version": current.dataset_version,
        "slate": [place.as_json() for place in slate],
        **({} if slate.explained is None else {"explained": slate.explained}),
        "source": "read from its release; no service is running",
    }
