"""Tokens of the service: whoever carries one may ask what its scopes name, until it expires.

A token is 256 random bits. Nobody finds such a number by trying, so what is kept is its plain
SHA-256: from the file alone nobody can ask anything. One line each, in `tokens` of the state folder
(mode 0600) and, where there is no file, in `KINOLOOP_TOKENS` with `;` between them:

    NAME SCOPE[,SCOPE…] SHA256 MADE EXPIRES

Times are UTC, `never` is no time. The commands of an installation carry a token of its own,
`service.token` beside it, which is made where tokens are asked for and opens what users do.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from kinoloop import durable
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.locks import held

SCOPES: Final = ("recommend", "feedback", "admin", "metrics")
PREFIX: Final = "kl_"
"""What a token begins with, so that those who look for secrets in code find it."""

OWN: Final = "service.token"
NEVER: Final = "never"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS, _WAIT_S = 5, 60.0
_HEAD = "# name  scopes  SHA-256 of the token  made  expires; see `kinoloop token --help`\n"


class Token(NamedTuple):
    """What is known of a token.

    Attributes:
        name: Who carries it.
        scopes: What it opens.
        digest: Its SHA-256, hex.
        made: When.
        expires: When it opens nothing any more; None never.
    """

    name: str
    scopes: frozenset[str]
    digest: str
    made: datetime
    expires: datetime | None = None

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires is not None and now >= self.expires

    @property
    def line(self) -> str:
        """As it stands in the file."""
        scopes = ",".join(scope for scope in SCOPES if scope in self.scopes)
        expires = NEVER if self.expires is None else _written(self.expires)
        return f"{self.name} {scopes} {self.digest} {_written(self.made)} {expires}"


def digest_of(secret: bytes) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(secret).hexdigest()


def new_token(
    name: str, scopes: Iterable[str], *, now: datetime, expires: datetime | None = None
) -> tuple[str, Token]:
    """Make a token; the first of the two is the secret, which is kept nowhere.

    Args:
        name: Who will carry it.
        scopes: Some of `SCOPES`.
        now: UTC.
        expires: When it ends; None never.

    Raises:
        ConfigError: The name or a scope is none.
    """
    wanted = frozenset(scopes)
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(name, wanted, digest_of(secret.encode()), now, expires)
    _check(name, wanted, "the token")
    return secret, token


def parse_tokens(text: str, where: str) -> list[Token]:
    """Read tokens, a line each; empty lines and those that begin with `#` count for nothing.

    Args:
        text: The lines.
        where: They stand there, for errors.

    Raises:
        ConfigError: A line is no token, or two have one name.
    """
    tokens = []
    for number, line in enumerate(text.splitlines(), start=1):
        if fields := line.partition("#")[0].split():
            tokens.append(_parse(fields, f"line {number} of {where}"))
    names = [token.name for token in tokens]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"{where} has several tokens named {', '.join(sorted(twice))}")
    return tokens


def tokens_file(environment: Environment) -> Path:
    """Where the tokens of this installation are kept."""
    return environment.tokens_file or environment.state_dir / "tokens"


def given_tokens(environment: Environment) -> list[Token]:
    """Tokens that `KINOLOOP_TOKENS` holds.

    Raises:
        ConfigError: One of them is none.
    """
    return parse_tokens(environment.tokens.replace(";", "\n"), "KINOLOOP_TOKENS")


def read_tokens(path: Path) -> list[Token]:
    """Read the tokens of a file; none where there is no file.

    Raises:
        ConfigError: Others can read or write it, or a line is no token.
    """
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as err:
        raise ConfigError(f"{path} cannot be read: {err.strerror}") from err
    if mode & 0o077:
        raise ConfigError(f"others can read {path} (mode {mode:04o}): chmod 600 {path}")
    return parse_tokens(text, str(path))


def add_token(path: Path, token: Token) -> None:
    """Keep one more token; running services take it within a second.

    Raises:
        ConfigError: There is one of this name, or the file is damaged.
    """
    with _locked(path):
        tokens = read_tokens(path)
        if token.name in {one.name for one in tokens}:
            raise ConfigError(
                f"there is a token named {token.name!r} already; choose another name, or "
                f"`kinoloop token revoke {token.name}` first"
            )
        _write(path, [*tokens, token])


def remove_token(path: Path, name: str) -> None:
    """Keep a token no longer; running services refuse it within a second.

    The file stays when the last one goes: without a token nobody gets in, instead of everybody.

    Raises:
        ConfigError: There is none of this name, or the file is damaged.
    """
    with _locked(path):
        tokens = read_tokens(path)
        left = [token for token in tokens if token.name != name]
        if len(left) == len(tokens):
            known = ", ".join(token.name for token in tokens) or "none"
            raise ConfigError(f"{path} has no token named {name!r}; there are: {known}")
        _write(path, left)


def are_asked_for(environment: Environment) -> bool:
    """Whether an installation has tokens, so that its service asks for them."""
    return bool(environment.tokens) or tokens_file(environment).exists()


def own_token(environment: Environment) -> str:
    """Return the token that the commands of this installation carry; make it where there is none.

    Raises:
        ConfigError: Others can read its file, or it is damaged.
    """
    path = environment.private_state() / OWN
    if not path.exists():
        # of two processes that race, both read the token of the first
        durable.write_once(path, f"{PREFIX}{secrets.token_urlsafe(32)}\n", mode=0o600)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise ConfigError(f"others can read {path} (mode {mode:04o}): chmod 600 {path}")
    secret = path.read_text(encoding="ascii", errors="replace").strip()
    if not secret.startswith(PREFIX) or len(secret) < len(PREFIX) + 32:
        raise ConfigError(f"{path} has no token in it; remove it, and the next start creates one")
    return secret


def _locked(path: Path) -> AbstractContextManager[None]:
    lock = path.with_name(f"{path.name}.lock")
    return held(lock, "change of tokens", wait_s=_WAIT_S, error=ConfigError)


def _write(path: Path, tokens: Sequence[Token]) -> None:
    text = _HEAD + "".join(f"{token.line}\n" for token in tokens)
    durable.write_text(path, text, mode=0o600)


def _parse(fields: Sequence[str], where: str) -> Token:
    if len(fields) != _FIELDS:
        raise ConfigError(
            f"{where} has {len(fields)} words, expected {_FIELDS}: name, scopes, SHA-256, made, "
            "expires; `kinoloop token create --print` writes such a line"
        )
    name, scopes, digest, made, expires = fields
    wanted = frozenset(scopes.split(","))
    _check(name, wanted, where)
    if not _DIGEST.fullmatch(digest):
        raise ConfigError(f"{where}: the third word must be a SHA-256, 64 hex digits")
    ends = None if expires == NEVER else _time(expires, where)
    return Token(name, wanted, digest, _time(made, where), ends)


def _check(name: str, scopes: frozenset[str], where: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: {name[:80]!r} is no name; expected 1 to 64 letters, digits, `.`, `_`, `-`"
        )
    unknown = sorted(scopes.difference(SCOPES))
    if unknown or not scopes:
        got = ", ".join(unknown)[:80] or "none"
        raise ConfigError(f"{where}: got scope {got}, expected some of {', '.join(SCOPES)}")


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str, where: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as err:
        raise ConfigError(
            f"{where}: {text[:40]!r} is no time such as 2027-01-31T12:00:00Z"
        ) from err
