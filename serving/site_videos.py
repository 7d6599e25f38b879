"""Routes of one video: what it is, its picture and clip, and whether it may be shown."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from kinoloop.environment import Environment
from kinoloop.errors import MediaError
from kinoloop.release.availability import NEVER, Window, now
from kinoloop.schema import MAX_ID_CHARACTERS
from serving.bodies import parse, read
from serving.facts import VideoAvailability, VideoDetails, VideoMoment
from serving.openapi import asked
from serving.problems import Problem, no_release, unknown_video
from serving.served import Served
from serving.streams import Stream
from serving.takedowns import EPOCH, AvailabilityPatch, Takedowns

if TYPE_CHECKING:
    from serving.in_service import InService

PATCH_BYTES, PATCH_S = 4096, 5.0
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

router = APIRouter()


@router.get("/videos/{video_id:path}", tags=["Service APIs"])
async def video(request: Request, video_id: str) -> VideoDetails:
    """Return what the release in service knows of a video."""
    release, index = _find(request, _named(request, video_id))
    known = release.release.catalogue.videos
    wanted = [name for name in VideoDetails.model_fields if name in known.columns]
    found = VideoDetails.model_validate(known.select(wanted).row(index, named=True))
    moments = [VideoMoment(**one._asdict()) for one in release.release.moments.of(index)]
    return found.model_copy(update={"moments": moments or None})


@router.delete("/videos/{video_id:path}", tags=["Service APIs"])
async def take_down(request: Request, video_id: str) -> VideoAvailability:
    """Show a video no more, from now on and at every worker within a second."""
    takedowns: Takedowns = request.app.state.served.takedowns
    video_id = checked_id(_named(request, video_id))
    window = takedowns.say(video_id, lambda before: before._replace(hidden=True))
    return _availability(request, video_id, window)


@router.patch(
    "/videos/{video_id:path}", tags=["Service APIs"], openapi_extra=asked(AvailabilityPatch)
)
async def change_availability(request: Request, video_id: str) -> VideoAvailability:
    """Change when a video may be shown, from now on and at every worker within a second."""
    takedowns: Takedowns = request.app.state.served.takedowns
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
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@router.get(
    "/clips/{video_id:path}",
    tags=["Service APIs"],
    response_class=FileResponse,
    responses={200: {"content": {"video/mp4": {}}}, 206: {"description": "A part of it."}},
)
def clip(request: Request, video_id: str) -> Stream:
    """Return the clip of a video, or a part of it, where this machine has the file."""
    video_id = _named(request, video_id)
    current, _ = _find(request, video_id)
    state = request.app.state
    if state.clips is None:  # of two that race, either will do
        from serving.clips import Clips  # a process that only watches workers needs none of it

        state.clips = Clips(Environment())
    try:
        found = state.clips.find(video_id, current.catalogue_version)
    except MediaError as err:
        raise Problem(
            "no_clip",
            "this service cannot play the clip of this video",
            got=video_id,
            expected="a file that this machine has and a browser plays (MP4, WebM, Ogg)",
            next_step=_NO_CLIP.get(err.reason, "see docs/guides/serve.md"),
        ) from err
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Stream(found.file, media_type=found.media_type, headers=headers)


_NO_CLIP = {
    "not_found": "run the service where tables and media are (KINOLOOP_DATA_DIR, KINOLOOP_LANDING)",
    "not_here": "play it from where it lies",
    "not_playable": "convert it to MP4 or WebM",
    "not_allowed": "name its folder in folders of [extract.access]",
}
"""What to do, by the reason; where a file lies is not told."""


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
    """Return a time, exactly; one that Python cannot say is its last or first."""
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return LAST if micros > 0 else FIRST


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
