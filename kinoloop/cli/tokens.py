"""`kinoloop token`: who may ask the service, and what."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from kinoloop.cli.tables import show
from kinoloop.errors import ConfigError

if TYPE_CHECKING:
    from kinoloop.environment import Environment

token = typer.Typer(
    name="token",
    help="Make, list and revoke tokens of the service. Scopes: recommend (slates, videos), "
    "feedback (events), admin (takedowns), metrics.",
    no_args_is_help=True,
)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_SPAN = re.compile(r"(\d{1,5})([mhd])")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(token)


@token.command()
def create(
    name: str = typer.Argument(help="Who carries it, such as web or prometheus."),
    scopes: list[str] = typer.Option(
        ..., "--scope", "-s", help="recommend, feedback, admin or metrics. Repeatable."
    ),
    expires: str = typer.Option(
        "never", "--expires", help="When it ends: 30d, 12h, 30m, or never."
    ),
    print_: bool = typer.Option(
        False, "--print", help="Keep it nowhere; print its line for KINOLOOP_TOKENS elsewhere."
    ),
) -> None:
    """Make a token and show it, once; running services take it within a second.

    Standard output has the token alone, so that TOKEN=$(kinoloop token create …) works.
    """
    from kinoloop.environment import Environment
    from kinoloop.privacy.tokens import add_token, new_token, tokens_file

    now = datetime.now(UTC)
    secret, made = new_token(name, scopes, now=now, expires=_end(expires, now))
    said = Console(stderr=True, highlight=False, soft_wrap=True)
    if print_:
        said.print("The line for KINOLOOP_TOKENS (`;` between several):", markup=False)
        said.print(made.line, markup=False)
    else:
        environment = Environment()
        environment.private_state()
        path = tokens_file(environment)
        add_token(path, made)
        said.print(f"Its hash is kept in {path}; running services ask for tokens from now on.")
    said.print("The token, which is not shown again:")
    typer.echo(secret)


@token.command("list")
def list_() -> None:
    """Show who has a token, for what and until when; no token itself."""
    from kinoloop.environment import Environment
    from kinoloop.privacy.tokens import SCOPES, given_tokens, read_tokens, tokens_file

    environment, now = Environment(), datetime.now(UTC)
    path = tokens_file(environment)
    kept = [(one, str(path)) for one in read_tokens(path)]
    kept += [(one, "KINOLOOP_TOKENS") for one in given_tokens(environment)]
    console = Console(highlight=False)
    if not kept:
        console.print(
            f"There are no tokens. The service is {_who(environment)}.",
            markup=False,
            soft_wrap=True,
        )
        return
    rows = [
        [
            one.name,
            ", ".join(scope for scope in SCOPES if scope in one.scopes),
            f"{one.made:%Y-%m-%d %H:%M}",
            "never" if one.expires is None else f"{one.expires:%Y-%m-%d %H:%M}",
            "expired" if one.expired(now) else "",
            where,
        ]
        for one, where in kept
    ]
    show(console, ["name", "scopes", "made (UTC)", "expires", "", "kept in"], rows, words=(1, 5))


@token.command()
def revoke(name: str = typer.Argument(help="As `kinoloop token list` shows it.")) -> None:
    """Let a token open nothing any more; running services refuse it within a second."""
    from kinoloop.environment import Environment
    from kinoloop.privacy.tokens import remove_token, tokens_file
    from serving.startup import CLOSED

    environment, console = Environment(), Console(highlight=False)
    remove_token(tokens_file(environment), name)
    console.print(f"{name} is revoked", markup=False, soft_wrap=True)
    if (who := _who(environment)).startswith(CLOSED):
        console.print(f"The service is {who}.", markup=False, soft_wrap=True)


def _who(environment: "Environment") -> str:
    """Who may ask the service now, one line."""
    from kinoloop.settings import read_section
    from serving.config import ServingConfig
    from serving.startup import who_may_ask

    return who_may_ask(
        environment, read_section("serving", ServingConfig, environment.settings_file)
    )


def _end(text: str, now: datetime) -> datetime | None:
    """When a token ends that is made now; None never."""
    if text == "never":
        return None
    span = _SPAN.fullmatch(text.strip().lower())
    if span is None or not int(span[1]):
        raise ConfigError(f"--expires is {text[:40]!r}; expected 30d, 12h, 30m, or never")
    return now + timedelta(**{_UNITS[span[2]]: int(span[1])})
