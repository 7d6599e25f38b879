"""What is read with GET: the page, thumbnails, lineage, metrics and the API docs.

A FastAPI app that BentoML mounts, because BentoML's own endpoints are all POST; its routes appear
in the service's OpenAPI document. The page and the docs load nothing from other hosts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.routing import APIRoute

from kinoloop.environment import Environment
from kinoloop.errors import BundleError, KinoloopError
from kinoloop.release.availability import NEVER, Window, now
from kinoloop.release.info import BundleInfo, read_info
from kinoloop.schema import MAX_ID_CHARACTERS
from serving import metrics
from serving.bodies import parse, read
from serving.facts import (
    About,
    LineageRecord,
    ProblemTypeFacts,
    ReleaseFacts,
    VideoAvailability,
    VideoDetails,
    VideoMoment,
)
from serving.openapi import described, operators
from serving.problem_types import PROBLEM_TYPES, address_of, type_of
from serving.problems import Problem, Waiting, explain, no_release, unknown_video
from serving.takedowns import AvailabilityPatch, Takedowns

if TYPE_CHECKING:
    from serving.in_service import InService

PAGE = Path(__file__).parent / "page"
PATCH_BYTES, PATCH_S = 4096, 5.0
ASSETS = ("app.js", "style.css", "docs.js")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}


class Served(Protocol):
    """What the site asks of the service."""

    @property
    def waiting(self) -> Waiting:
        """Why there is no release in service, while there is none."""

    @property
    def in_service(self) -> "InService | None":
        """The release in service."""

    def lineage_of(self, request_id: str) -> dict[str, Any] | None:
        """Return what is known of an answer."""

    def upload_seconds(self) -> list[float]:
        """Seconds from landing to first slate of the newest uploads, newest first."""


router = APIRouter()


def build_site(example_users: Sequence[str] = ()) -> FastAPI:
    """Build the app; the service puts itself into `app.state.served`.

    Args:
        example_users: Whom the page offers to watch as.
    """
    app = FastAPI(title="Kinoloop", docs_url=None, redoc_url=None, openapi_url=None)
    app.router.routes.extend(router.routes)  # flat, so that a 405 finds every method of a path
    app.add_exception_handler(KinoloopError, _problem)
    app.state.example_users = list(example_users)
    return app


def paths() -> list[str]:
    """Path template of each route, as the OpenAPI document writes it."""
    return [route.path_format for route in router.routes if isinstance(route, APIRoute)]


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """Return the page where a person sees slates."""
    return FileResponse(PAGE / "index.html", headers=_HEADERS)


@router.get("/docs", include_in_schema=False)
async def docs() -> FileResponse:
    """Return the API docs: Swagger UI on the service's OpenAPI document."""
    return FileResponse(PAGE / "docs.html", headers=_HEADERS)


@router.get("/docs.json", include_in_schema=False)
def openapi(request: Request) -> JSONResponse:
    """Return the OpenAPI document of every route."""
    return JSONResponse(described(request.app.state.served.bento_service.openapi_spec.asdict()))


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
    facts = None
    if current is not None:
        info = current.release.info.model_dump(include=set(ReleaseFacts.model_fields))
        versions = {
            "model_version": current.model_version,
            "catalogue_version": current.catalogue_version,
            "catalogue_number": current.catalogue_number,
            "filters": list(current.release.filters.columns),
        }
        facts = ReleaseFacts(**{**info, **versions})
    return About(
        release=facts,
        example_users=request.app.state.example_users,
        uploads_s=served.upload_seconds(),
    )


@router.get("/videos/{video_id:path}", tags=["Service APIs"])
async def video(request: Request, video_id: str) -> VideoDetails:
    """Return what the release in service knows of a video."""
    release, index = _find(request, _named(request, video_id))
    known = release.release.catalogue.videos
    wanted = [name for name in VideoDetails.model_fields if name in known.columns]
    found = VideoDetails.model_validate(known.select(wanted).row(index, named=True))
    moments = [VideoMoment(**one._asdict()) for one in release.release.moments.of(index)]
    return found.model_copy(update={"moments": moments or None})


@router.delete("/videos/{video_id:path}", tags=["Service APIs"], openapi_extra=operators())
async def take_down(request: Request, video_id: str) -> VideoAvailability:
    """Show a video no more, from now on and at every worker within a second."""
    takedowns: Takedowns = request.app.state.served.takedowns
    takedowns.check_operator(request.headers.get("authorization", ""))
    video_id = checked_id(_named(request, video_id))
    window = takedowns.say(video_id, lambda before: before._replace(hidden=True))
    return _availability(request, video_id, window)


@router.patch(
    "/videos/{video_id:path}", tags=["Service APIs"], openapi_extra=operators(AvailabilityPatch)
)
async def change_availability(request: Request, video_id: str) -> VideoAvailability:
    """Change when a video may be shown, from now on and at every worker within a second."""
    takedowns: Takedowns = request.app.state.served.takedowns
    takedowns.check_operator(request.headers.get("authorization", ""))
    video_id = checked_id(_named(request, video_id))
    raw = await read(request.scope, request.receive, most=PATCH_BYTES, within_s=PATCH_S)
    patch = parse(raw, AvailabilityPatch)
    assert isinstance(patch, AvailabilityPatch)
    return _availability(request, video_id, takedowns.say(video_id, patch.over))


@router.get(
    "/thumbnails/{video_id:path}",
    tags=["Service APIs"],
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
async def thumbnail(request: Request, video_id: str) -> Response:
    """Return a frame of a video, JPEG."""
    video_id = _named(request, video_id)
    release, _ = _find(request, video_id)
    jpeg = release.release.thumbnail(video_id)
    if jpeg is None:
        raise Problem(
            "no_thumbnail",
            "this video has no picture",
            got=video_id,
            next_step="run `kinoloop extract`, then retrain",
        )
    headers = {"Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


def checked_id(video_id: str) -> str:
    """Return an id that a video may have.

    Raises:
        Problem: 422.
    """
    if 0 < len(video_id) <= MAX_ID_CHARACTERS and video_id.isprintable():
        return video_id
    raise Problem(
        "invalid_request",
        "no video can have this id",
        got=video_id[:80],
        expected=f"1 to {MAX_ID_CHARACTERS} printable characters",
    )


def _availability(request: Request, video_id: str, window: Window) -> VideoAvailability:
    current = request.app.state.served.in_service
    return VideoAvailability(
        video_id=video_id,
        hidden=window.hidden,
        available_from=_moment(window.opens) if window.opens > 0 else None,
        available_until=_moment(window.closes) if window.closes < NEVER else None,
        in_catalogue=current is not None and video_id in current.release.catalogue.ids,
    )


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)


async def _problem(_: Request, error: Exception) -> Response:
    return explain(error).response()


def _named(request: Request, video_id: str) -> str:
    """Return the id of the path or, where that is empty, of the query.

    A browser resolves `.` and `..` in a path, however they are encoded; as `?video_id=..` they
    arrive.
    """
    return video_id or request.query_params.get("video_id", "")


def _find(request: Request, video_id: str) -> "tuple[InService, int]":
    """Find the release in service and the position of a video in it."""
    served: Served = request.app.state.served
    current = served.in_service
    if current is None:
        raise no_release(served.waiting)
    index = current.release.catalogue.ids.index(video_id)
    request.app.state.served.takedowns.look()
    if index < 0 or not current.release.availability.is_open(index, now()):
        raise unknown_video(video_id, current.dataset_version)
    return current, index


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
