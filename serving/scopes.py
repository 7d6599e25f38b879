"""Which scope of a token opens which route; what is not in the table is open to nobody but `admin`.

Open to anybody is what holds nothing of users, videos or the operation: the page and its parts, the
descriptions of the interface, the kinds of problems, and whether the service lives. So a route that
somebody forgets to enter here is closed, and a test that walks all routes says so.
"""

from collections.abc import Mapping
from typing import Final

ANYBODY: Final = "anybody"

SCOPE_OF: Final[Mapping[str, Mapping[str, str]]] = {
    "/": {"GET": ANYBODY},
    "/admin": {"GET": ANYBODY},
    "/docs": {"GET": ANYBODY},
    "/docs.json": {"GET": ANYBODY},
    "/schema.json": {"GET": ANYBODY},
    "/page/{asset}": {"GET": ANYBODY},
    "/static_content/{path}": {"GET": ANYBODY},
    "/problems/{error}": {"GET": ANYBODY},
    "/livez": {"GET": ANYBODY},
    "/readyz": {"GET": ANYBODY},
    "/healthz": {"GET": ANYBODY},
    "/recommend": {"POST": "recommend"},
    "/recommend/batch": {"POST": "recommend"},
    "/similar": {"POST": "recommend"},
    "/search": {"POST": "recommend"},
    "/noop": {"POST": "recommend"},
    "/about": {"GET": "recommend"},
    "/lineage/{request_id}": {"GET": "recommend"},
    "/thumbnails/{video_id}": {"GET": "recommend"},
    "/clips/{video_id}": {"GET": "recommend"},
    "/videos/{video_id}": {"GET": "recommend", "DELETE": "admin", "PATCH": "admin"},
    "/feedback": {"POST": "feedback"},
    "/identify": {"POST": "feedback"},
    "/metrics": {"GET": "metrics"},
    "/admin/overview": {"GET": "admin"},
    "/admin/uploads/{upload_id}": {"PUT": "admin", "POST": "admin"},
}
"""Scope by path template and method; HEAD goes with GET."""

_UNDER: Final = {path.partition("{")[0]: scopes for path, scopes in SCOPE_OF.items() if "{" in path}


def scopes_of(path: str) -> Mapping[str, str]:
    """Scope by method of a path, or of a template; empty where the table has none.

    Examples:
        >>> scopes_of("/videos/a/b")["DELETE"]
        'admin'
        >>> scopes_of("/recommend/")
        {}
    """
    found = SCOPE_OF.get(path)
    if found is None:
        found = next((_UNDER[start] for start in _UNDER if path.startswith(start)), {})
    return found


def scope_of(method: str, path: str) -> str | None:
    """Scope that a request needs; None where the table does not have it."""
    return scopes_of(path).get("GET" if method == "HEAD" else method)


def methods_of(path: str) -> str:
    """Name the methods of a path, as `Allow` lists them.

    Examples:
        >>> methods_of("/videos/a")
        'DELETE, GET, HEAD, PATCH'
    """
    known = set(scopes_of(path))
    return ", ".join(sorted(known | {"HEAD"} if "GET" in known else known))
