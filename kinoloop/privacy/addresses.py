"""Credentials in addresses: `user:password@`, and query strings that are signed or carry a key.

A catalogue is data: it is versioned, pushed and shown. What opens a door does not belong into it,
and an address in a message is shown without what could.
"""

import re

from kinoloop.redaction import without_credentials

_QUERY = re.compile(r"(?<=://)([^\s?#'\"<>]*)\?[^\s'\"<>]*")
QUERY_GONE = r"\1?…"

USER_PATTERN = r"(?i)^\s*(?:https?://[^/?#]*@|[a-z][a-z0-9+.-]*://[^/?#@]*:[^/?#]*@)"
"""Matches an address with a user (http) or with a password (any). In syntax of re and of Rust."""

QUERY_PATTERN = (
    r"(?i)://[^#]*[?&;](?:key|auth|(?:[a-z0-9_.-]*[_.-])?(?:aws)?(?:token|signature|sig|secret|jwt"
    r"|hmac|credentials?|password|passwd|pwd|api[_-]?key|access[_-]?key(?:[_-]?id)?))="
)
"""Matches an address with a signed query string, or one with a key. In syntax of re and of Rust."""

_CREDENTIALS = (re.compile(USER_PATTERN), re.compile(QUERY_PATTERN))


def has_credentials(address: str) -> bool:
    """Whether an address carries a password, a key or a signature.

    Example:
        >>> has_credentials("https://cdn.example.com/a.mp4?v=3")
        False
        >>> has_credentials("https://cdn.example.com/a.mp4?Expires=1&Signature=abc")
        True
    """
    return any(pattern.search(address) for pattern in _CREDENTIALS)


def redact(text: str) -> str:
    """A text whose addresses are shown without user, password and query string.

    Example:
        >>> redact("no file at https://me:secret@host/a.mp4?token=1 today")
        'no file at https://…@host/a.mp4?… today'
    """
    if "://" not in text:
        return text
    return _QUERY.sub(QUERY_GONE, without_credentials(text))
