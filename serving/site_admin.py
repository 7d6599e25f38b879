"""What operators ask and send: the figures behind the page at `/admin`, and clips."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from kinoloop.environment import Environment
from kinoloop.settings import read_section
from serving.bodies import parse, read, read_raw
from serving.config import ServingConfig
from serving.openapi import asked
from serving.overview import Overview
from serving.served import Served
from serving.site_videos import checked_id
from serving.upload_messages import Uploaded, UploadedPiece, UploadRequest

if TYPE_CHECKING:
    from serving.uploads import Landed, Uploads

ROW_BYTES, WITHIN_S = 256 * 1024, 10.0

router = APIRouter()


@router.get("/admin/overview", tags=["Service APIs"])
def overview(request: Request) -> Overview:
    """Return what serves, how it does, what was decided and why; for operators."""
    from serving.operation import Operation  # a process that only watches workers needs none of it

    state = request.app.state
    if state.operation is None:  # of two that race, either will do
        state.operation = Operation(Environment())
    operation: Operation = state.operation
    return operation.overview(state.served)


@router.put(
    "/admin/uploads/{upload_id}",
    tags=["Service APIs"],
    openapi_extra={
        "requestBody": {
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def upload_piece(
    request: Request, upload_id: str, offset: Annotated[int, Query(ge=0)] = 0
) -> UploadedPiece:
    """Take a piece of a clip, at most 4 MiB; `offset` says where it begins."""
    from serving.uploads import PIECE_BYTES

    piece = await read_raw(request.scope, request.receive, most=PIECE_BYTES, within_s=WITHIN_S)
    uploads = _uploads(request)
    return UploadedPiece(received=await run_in_threadpool(uploads.add, upload_id, offset, piece))


@router.post(
    "/admin/uploads/{upload_id}", tags=["Service APIs"], openapi_extra=asked(UploadRequest)
)
async def upload_clip(request: Request, upload_id: str) -> Uploaded:
    """Bring a clip whose pieces have arrived into the landing zone, with the row of its video."""
    raw = await read(request.scope, request.receive, most=ROW_BYTES, within_s=WITHIN_S)
    said = parse(raw, UploadRequest)
    assert isinstance(said, UploadRequest)
    if said.video_id is not None:
        checked_id(said.video_id)

    def finish() -> "Landed":
        return _uploads(request).finish(
            upload_id, said, exists=lambda video_id: _exists(request.app.state.served, video_id)
        )

    return Uploaded(**(await run_in_threadpool(finish))._asdict())


def _exists(served: Served, video_id: str) -> bool:
    """Whether the release in service or the tables know a video."""
    import polars as pl

    from kinoloop.data.tables import Tables

    current = served.in_service
    if current is not None and video_id in current.release.catalogue.ids:
        return True
    videos = Tables(Environment().data_dir).scan("videos")
    return bool(videos.filter(pl.col("video_id") == video_id).select(pl.len()).collect().item())


def _uploads(request: Request) -> "Uploads":
    from serving.uploads import Uploads

    state = request.app.state
    if state.uploads is None:
        environment = Environment()
        config = read_section("serving", ServingConfig, environment.settings_file)
        state.uploads = Uploads(environment, config.upload_mb * 2**20)
    found: Uploads = state.uploads
    return found
