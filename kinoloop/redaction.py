"""Addresses as they may be shown: without the user name, password and keys that some carry.

Messages, logs, reports and pages show addresses through here; what connects takes the whole one.
"""

import re

_USERINFO = re.compile(r"(?<=://)\S*@")
_SECRET_VALUE = re.compile(
    r"(?i)([?&;#](?:[a-z0-9_.-]*[_.-])?(?:password|passwd|pwd|token|secret|credentials?|signature|"
    r"sig|(?:api|access|auth|private|secret)[_-]?key)=)[^\s&]*"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]*\]|[^:\[\]@]*)(?::[0-9]*)?")


def without_credentials(text: str) -> str:
    """Any text, each `scheme://user:password@host` in it as `scheme://…@host`.

    A password may hold any character but spaces, quotes and `/` and `@` too, so everything up to
    the last `@` of a word goes, and of a query the value of what is named like a secret.

    >>> without_credentials("no answer from postgresql://me:s3/cr@t@db.example/mlflow")
    'no answer from postgresql://…@db.example/mlflow'
    >>> without_credentials("no answer from redis://host/0?password=s3cret&db=1")
    'no answer from redis://host/0?password=…&db=1'
    """
    return _SECRET_VALUE.sub(r"\1…", _USERINFO.sub("…@", text))


def shown_address(address: str) -> str:
    """One address, however it was mistyped: no more of it than is surely no secret.

    >>> shown_address("redis://:s3 cr@t@host:6379/0?password=s3cret")
    'redis://…@host:6379/0?…'
    >>> shown_address("redis://:s3cret")  # a password that was meant, and no port
    'redis://…'
    """
    scheme = _SCHEME.match(address)
    if scheme is None:
        return "…"
    user, at, rest = address[scheme.end() :].rpartition("@")
    found = re.search(r"[?#]", rest)
    place = rest[: found.start()] if found else rest
    host = place.partition("/")[0]
    if re.search(r"[?#]", user) or not _HOST.fullmatch(host):  # it may be within a password
        return f"{scheme[0]}…"
    return f"{scheme[0]}{'…@' if at else ''}{place}{f'{found[0]}…' if found else ''}"
