"""Addresses as they may be shown: without the user name and password that some carry.

Messages, logs, reports and pages show addresses through here; what connects takes the whole one.
"""

import re

_USERINFO = re.compile(r"(?<=://)[^\s'\"<>]*@")


def without_credentials(text: str) -> str:
    """Any text, each `scheme://user:password@host` in it as `scheme://…@host`.

    A password may hold any character but spaces and quotes, `/` and `@` too, so everything up to
    the last `@` of a word goes.

    >>> without_credentials("no answer from postgresql://me:s3/cr@t@db.example/mlflow")
    'no answer from postgresql://…@db.example/mlflow'
    """
    return _USERINFO.sub("…@", text)
