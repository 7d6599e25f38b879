"""The tokens that a worker knows: those of the file, as it stands now, and those of the variable.

The file is looked at when somebody asks, at most four times a second; so what was made or revoked
counts within a second at every worker. Once tokens were asked for, they are asked for until the
process ends: a file that is damaged or gone opens nothing.
"""

import hmac
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.privacy.key_file import secret_key
from kinoloop.privacy.tokens import (
    Token,
    are_asked_for,
    digest_of,
    given_tokens,
    own_token,
    read_tokens,
    tokens_file,
)

logger = logging.getLogger(__name__)

LOOK_S = 0.25
OPERATOR, OWN = "the operator's key", "the commands here"
_EPOCH = datetime.fromtimestamp(0, UTC)


class KnownTokens:
    """Finds the token that a request carries.

    Args:
        environment: Names the file, and holds the variable and the operator's key.
        required: Whether they are asked for where there are none, too.
        clock: Seconds that only go up.

    Raises:
        ConfigError: The variable is damaged.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        required: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment, self._clock = environment, clock
        self._path = tokens_file(environment)
        key = secret_key(environment, "operator").hex()
        self._given = [_built_in(OPERATOR, "admin", secret=key), *given_tokens(environment)]
        self._next_look, self._stamp = 0.0, _stamp(self._path)
        self.asked_for = required or are_asked_for(environment)
        self._read()

    def find(self, secret: bytes) -> Token | None:
        """Find a token by its secret, expired or not; None where there is none."""
        self.look()
        digest = digest_of(secret)
        found = self._by_digest.get(digest)
        # where two digests begin to differ says nothing of a secret; compared so all the same
        return found if found and hmac.compare_digest(found.digest, digest) else None

    def look(self) -> None:
        """Read the file again, if it has changed."""
        now = self._clock()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_S
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self.asked_for = True
        self._read()

    def _read(self) -> None:
        known = list(self._given)
        try:
            known += read_tokens(self._path)
            if self.asked_for:
                secret = own_token(self._environment)
                known.append(_built_in(OWN, "recommend", "feedback", secret=secret))
        except ConfigError:
            logger.exception("no token of the file opens anything until it is mended")
        self._by_digest = {token.digest: token for token in known}


def _built_in(name: str, *scopes: str, secret: str) -> Token:
    return Token(name, frozenset(scopes), digest_of(secret.encode()), _EPOCH)


def _stamp(path: Path) -> tuple[int, int, int, int] | None:
    """Return what changes whenever a file is replaced or written."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode
