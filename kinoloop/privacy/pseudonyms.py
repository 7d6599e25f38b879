"""Keyed pseudonyms for user ids: HMAC-SHA-256, so that without the key nobody can list who is who.

The key lives outside the data (a variable or a file of mode 0600). Tables remember the key's id,
and a key that does not match is refused: two keys in one table would split every user in two, in
silence.

Source: RFC 2104 (HMAC); NIST SP 800-188 on keyed-hash pseudonyms.
"""

import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache

from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.privacy.key_file import KEY_BYTES, secret_key

PSEUDONYM_HEX_DIGITS = 32  # 128 bits: a collision among 10^9 users has probability 10^-21


class Pseudonyms:
    """Maps user ids to pseudonyms under one key.

    Args:
        key: 32 secret bytes.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ConfigError(f"the pseudonym key has {len(key)} bytes, expected {KEY_BYTES}")
        self._key = key
        self.key_id = hashlib.sha256(b"kinoloop key id" + key).hexdigest()[:16]
        self._cached = lru_cache(maxsize=100_000)(self._compute)

    def of(self, user_id: str) -> str:
        """Return the pseudonym of one user id: 32 hex digits."""
        return self._cached(user_id)

    def of_all(self, user_ids: Iterable[str]) -> list[str]:
        """Return the pseudonyms of many user ids, in order."""
        return [self._compute(user_id) for user_id in user_ids]

    def _compute(self, user_id: str) -> str:
        digest = hmac.new(self._key, user_id.encode(), hashlib.sha256)
        return digest.hexdigest()[:PSEUDONYM_HEX_DIGITS]


def load_pseudonyms(environment: Environment) -> Pseudonyms:
    """Take the key from `KINOLOOP_PSEUDONYM_KEY`, else from the state folder, else make one there.

    Raises:
        ConfigError: The key is not 64 hex digits.
    """
    return Pseudonyms(secret_key(environment, "pseudonym"))
