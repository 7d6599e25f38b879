"""Credentials in addresses: `user:password@`, and queries or fragments with a key or a signature.

A catalogue is data: it is versioned, pushed and shown. Credentials do not belong in it, and
messages show addresses without them.
"""

import re

from kinoloop.redaction import without_credentials

_QUERY = re.compile(r"(?<=://)([^\s?#'\"<>]*)([?#])[^\s'\"<>]*")
QUERY_GONE = r"\1\2…"

USER_PATTERN = r"(?i)^\s*(?:https?://[^/?#]*@|[a-z][a-z0-9+.-]*://[^/?#@]*:[^/?#]*@)"
"""Matches an address with a user (http) or with a password (any). In syntax of re and of Rust."""

QUERY_PATTERN = (
    r"(?is)://.*[?&;#](?:(?:key|auth|hdn(?:ea|ts|tl)|(?:ws|tx)secret|(?:[a-z0-9_.-]*[_.-])?(?:aws)?"
    r"(?:token|signature|sig|secret|jwt|hmac|credentials?|password|passwd|pwd"
    r"|(?:api|auth|sign(?:ing)?|private)[_-]?key|access[_-]?key(?:[_-]?id)?))="
    r"|(?:st|sign)=[a-z0-9_+/%-]{16})"
)
"""Matches an address with a signed query or fragment, or one with a key. In syntax of re and of
Rust. `st` and `sign` are short words of others, too: only a long value makes them a signature."""

_CREDENTIALS = (re.compile(USER_PATTERN), re.compile(QUERY_PATTERN))


def has_credentials(address: str) -> bool:
    """Whether an address carries a password, a key or a signature.

    Examples:
        >>> has_credentials("https://cdn.example.com/a.mp4?v=3")
        False
        >>> has_credentials("https://cdn.example.com/a.mp4?Expires=1&Signature=abc")
        True
    """
    return any(pattern.search(address) for pattern in _CREDENTIALS)


def redact(text: str) -> str:
    """Show the addresses in a text without user, password and query string.

    Examples:
        >>> redact("no file at https://me:secret@host/a.mp4?token=1 today")
        'no file at https://…@host/a.mp4?… today'
    """
    if "://" not in text:
        return text
    return _QUERY.sub(QUERY_GONE, without_credentials(text))
