"""What is read with GET: the page, lineage, metrics and the API docs.

A FastAPI app that BentoML mounts, because BentoML's own endpoints are all POST; its routes appear
in the service's OpenAPI document. The page and the docs load nothing from other hosts.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from kinoloop.environment import Environment
from kinoloop.errors import BundleError, KinoloopError
from kinoloop.release.info import BundleInfo, read_info
from serving import metrics, site_admin, site_videos
from serving.facts import About, LineageRecord, ProblemTypeFacts, ReleaseFacts
from serving.openapi import described
from serving.problem_types import PROBLEM_TYPES, address_of, type_of
from serving.problems import Problem, explain
from serving.served import Served, newest_uploads

if TYPE_CHECKING:
    from serving.guard import Guard

PAGE = Path(__file__).parent / "page"
ASSETS = (
    *("app.js", "feedback.js", "filters.js", "more.js", "player.js", "videos.js"),
    *("admin.js", "charts.js", "upload.js", "page.js", "token.js", "docs.js"),
    *("style.css", "admin.css"),
)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}


router = APIRouter()


def build_site(example_users: Sequence[str] = ()) -> FastAPI:
    """Build the app; the service puts itself into `app.state.served`.

    Args:
        example_users: Whom the page offers to watch as.
    """
    app = FastAPI(title="Kinoloop", docs_url=None, redoc_url=None, openapi_url=None)
    # flat, so that a 405 finds every method of a path
    app.router.routes.extend([*_routes(), *map(_head, filter(_is_read, _routes()))])
    app.add_exception_handler(KinoloopError, _problem)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.state.example_users = list(example_users)
    app.state.operation = None  # made by the first operator who looks
    app.state.clips = None  # by the first who plays one
    app.state.uploads = None  # by the first who sends one
    return app


def paths() -> list[str]:
    """Path template of each route, as the OpenAPI document writes it."""
    return [route.path_format for route in _routes() if isinstance(route, APIRoute)]


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """Return the page where a person sees slates."""
    return FileResponse(PAGE / "index.html", headers=_HEADERS)


@router.get("/admin", include_in_schema=False)
async def admin() -> FileResponse:
    """Return the operator's view; its figures are those of `/admin/overview`."""
    return FileResponse(PAGE / "admin.html", headers=_HEADERS)


@router.get("/docs", include_in_schema=False)
async def docs() -> FileResponse:
    """Return the API docs: Swagger UI on the service's OpenAPI document."""
    return FileResponse(PAGE / "docs.html", headers=_HEADERS)


@router.get("/docs.json", include_in_schema=False)
def openapi(request: Request) -> JSONResponse:
    """Return the OpenAPI document of every route."""
    document = request.app.state.served.bento_service.openapi_spec.asdict()
    guard: Guard = request.app.state.guard
    asks = {"users": guard.asks_for_tokens, "readers": not guard.lets_read}
    return JSONResponse(described(document, **asks))


@router.get("/page/{asset}", include_in_schema=False)
async def part(asset: str) -> FileResponse:
    """Return a part of the page."""
    if asset not in ASSETS:
        raise Problem(
            "unknown_path",
            "the page has no such part",
            got=asset,
            expected=", ".join(ASSETS),
        )
    return FileResponse(PAGE / asset, headers={**_HEADERS, "Cache-Control": "no-cache"})


@router.get("/metrics", include_in_schema=False)
def prometheus() -> Response:
    """Metrics of all workers."""
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


@router.get("/lineage/{request_id:path}", tags=["Service APIs"])
def lineage(request: Request, request_id: str) -> LineageRecord:
    """Which model, trained on which data, gave the answer with this request id."""
    found = request.app.state.served.lineage_of(request_id)
    if found is None:
        raise Problem(
            "unknown_request",
            "no answer with this request id is on record",
            got=request_id,
            expected="the request_id of an answer that is not older than [serving] lineage_days",
            next_step="copy the request_id from an answer",
        )
    record = LineageRecord.model_validate(found)
    current = request.app.state.served.in_service
    return _with_release(record, None if current is None else current.release.info)


@router.get("/problems/{error}", tags=["Service APIs"])
async def problem_type(error: str) -> ProblemTypeFacts:
    """Return what the `type` of an error answer stands for."""
    if error not in PROBLEM_TYPES:
        raise Problem(
            "unknown_path",
            "there is no problem of this type",
            got=error,
            expected=", ".join(PROBLEM_TYPES),
            next_step="copy the address from `type` of an error answer",
        )
    return ProblemTypeFacts(type=address_of(error), **type_of(error)._asdict())


@router.get("/about", tags=["Service APIs"])
async def about(request: Request) -> About:
    """Which release is in service, and how long new videos take to reach people."""
    served: Served = request.app.state.served
    current = served.in_service
    uploads_s, unknown_because = newest_uploads(served)
    return About(
        release=None if current is None else ReleaseFacts.of(current),
        example_users=request.app.state.example_users,
        uploads_s=uploads_s,
        unknown_because=unknown_because,
        clips=(Environment().data_dir / "videos").is_dir(),
    )


def _routes() -> list[BaseRoute]:
    return [*router.routes, *site_videos.router.routes, *site_admin.router.routes]


def _is_read(route: BaseRoute) -> TypeGuard[APIRoute]:
    return isinstance(route, APIRoute) and "GET" in (route.methods or ())


def _head(read: APIRoute) -> APIRoute:
    """Return the route that answers HEAD as GET; the server leaves the body out."""
    route = copy.copy(read)
    route.methods, route.include_in_schema = {"HEAD"}, False
    return route


async def _problem(_: Request, error: Exception) -> Response:
    return explain(error).response()


async def _wrong_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = error.errors()[0]
    name = ".".join(map(str, fault["loc"][1:]))
    problem = Problem(
        "invalid_request",
        f"{name} is wrong",
        got=fault["input"],
        expected=fault["msg"],
        next_step=f"correct {name} in the address; /docs describes every parameter",
    )
    return problem.response()


def _with_release(record: LineageRecord, current: BundleInfo | None) -> LineageRecord:
    """Add what the release of an answer holds and was made from, while it is kept here.

    Args:
        record: Of the answer.
        current: Of the release in service.
    """
    info, digest = current, str(record.model_digest)
    if info is None or info.digest != digest:
        try:
            info = read_info(Environment().releases / digest)
        except BundleError:
            return record
    update = {"table_versions": info.table_versions, "files": info.files}
    return record.model_copy(update=update)
