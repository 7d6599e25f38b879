"""What operators ask and send: the figures behind the page at `/admin`, and clips."""

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from kinoloop.environment import Environment
from kinoloop.settings import read_section
from serving.bodies import parse, read, read_raw
from serving.config import ServingConfig
from serving.openapi import asked
from serving.overview import Overview
from serving.problems import Problem
from serving.upload_messages import Uploaded, UploadedPiece, UploadRequest

if TYPE_CHECKING:
    from serving.uploads import Uploads

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
async def upload_piece(request: Request, upload_id: str, offset: int = 0) -> UploadedPiece:
    """Take a piece of a clip, at most 4 MiB; `offset` says where it begins."""
    from serving.uploads import PIECE_BYTES

    if offset < 0:
        raise Problem("invalid_request", "offset is wrong", got=offset, expected="0 or more")
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
    landed = await run_in_threadpool(_uploads(request).finish, upload_id, said)
    return Uploaded(**landed._asdict())


def _uploads(request: Request) -> "Uploads":
    from serving.uploads import Uploads

    state = request.app.state
    if state.uploads is None:
        environment = Environment()
        config = read_section("serving", ServingConfig, environment.settings_file)
        state.uploads = Uploads(environment, config.upload_mb * 2**20)
    found: Uploads = state.uploads
    return found
