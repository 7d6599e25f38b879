"""Clips that operators send: in pieces to a private folder, then, whole, into the landing zone.

Pieces, because a request has 15 seconds and a film takes longer. The clip lands before the row
that names it, so ingest never meets a video without its file; it is a video like any other then.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from fsspec.implementations.local import LocalFileSystem

from kinoloop import durable
from kinoloop.environment import Environment
from kinoloop.ingestion.landing import open_landing, write
from serving.clips import HEAD_BYTES, media_type_of
from serving.problems import Problem
from serving.upload_messages import UploadRequest

PIECE_BYTES = 4 * 2**20
STAGED = 16
"""Uploads under way at a time, of all operators."""

STALE_S = 86_400.0
"""An upload that nobody went on with for so long is thrown away."""

CLIPS, ROWS = "clips/uploads", "videos/uploads"
"""Folders of the landing zone."""

ENDINGS = {"video/mp4": "mp4", "video/webm": "webm", "video/ogg": "ogv"}

_RECEIPT = ".landed"
"""Ending of what is kept of an upload that has landed, beside those under way."""

_ID = re.compile(r"[a-z0-9]{16,64}")


class Landed(NamedTuple):
    """What came of an upload.

    Attributes:
        video_id: Of the new video.
        bytes: Of the clip.
        media_type: Of the clip.
        landed_at: When its row was in the landing zone.
    """

    video_id: str
    bytes: int
    media_type: str
    landed_at: datetime


class Uploads:
    """Takes clips.

    Args:
        environment: Whose landing zone they go to.
        max_bytes: Of one clip.
    """

    def __init__(self, environment: Environment, max_bytes: int) -> None:
        self._folder = environment.private_state() / "serving" / "uploads"
        self._landing, self._max_bytes = environment.landing, max_bytes

    def add(self, upload_id: str, offset: int, piece: bytes) -> int:
        """Append a piece; returns how many bytes there are now.

        A piece that is there already, because its answer was lost, changes nothing.

        Raises:
            Problem: The id cannot be one, a piece before it is missing, or there is too much.
        """
        path = self._path(upload_id)
        if not piece:
            return path.stat().st_size if path.exists() else 0
        if offset + len(piece) > self._max_bytes:
            path.unlink(missing_ok=True)
            raise _too_large(self._max_bytes)
        if not path.exists():
            self._make_room()
        with _locked(path) as descriptor:
            size = os.fstat(descriptor).st_size
            if size >= offset + len(piece):
                return size
            if size != offset:
                raise _piece_missing(size, offset)
            while piece:
                piece = piece[os.write(descriptor, piece) :]
            return os.fstat(descriptor).st_size

    def finish(
        self, upload_id: str, said: UploadRequest, *, exists: Callable[[str], bool]
    ) -> Landed:
        """Bring a whole clip and its row into the landing zone.

        Asked again, because its answer was lost, it answers the same for a day.

        Args:
            upload_id: Of the clip.
            said: The row of the video.
            exists: Whether there is a video with an id.

        Raises:
            Problem: There is no such upload, it is no film, it has landed with another row, or the
                video exists.
        """
        path = self._path(upload_id)
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return _landed_before(path, said)
        with os.fdopen(descriptor, "rb") as file:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not os.fstat(descriptor).st_nlink:  # another request has finished it meanwhile
                return _landed_before(path, said)
            if said.video_id is not None and exists(said.video_id):
                raise _video_exists(said.video_id)
            landed = self._bring(path, file, said)
            receipt = {"row": _digest(said), **landed._asdict()}
            receipt["landed_at"] = landed.landed_at.isoformat()
            durable.write_json(path.with_suffix(_RECEIPT), receipt, mode=0o600)
            path.unlink()
        return landed

    def _bring(self, path: Path, file: BufferedReader, said: UploadRequest) -> Landed:
        media_type = media_type_of(file.read(HEAD_BYTES))
        file.seek(0)
        if media_type is None:
            path.unlink()
            raise _no_film()
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size, video_id = path.stat().st_size, said.video_id or f"upload-{digest[:16]}"
        clip = f"{CLIPS}/{digest}.{ENDINGS[media_type]}"
        self._land(path, clip)
        now = datetime.now(UTC)
        row = {
            **said.model_dump(exclude_none=True),
            "video_id": video_id,
            "media": clip,
            "published_at": now.isoformat(),
        }
        files, root = open_landing(self._landing)
        name = hashlib.sha256(f"{video_id}\n{digest}".encode()).hexdigest()[:24]
        content = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        write(files, f"{root.rstrip('/')}/{ROWS}/upload-{name}.jsonl", content)
        return Landed(video_id, size, media_type, now)

    def _land(self, path: Path, clip: str) -> None:
        files, root = open_landing(self._landing)
        target = f"{root.rstrip('/')}/{clip}"
        if isinstance(files, LocalFileSystem):
            with durable.appearing(Path(target)) as fresh:
                shutil.copyfile(path, fresh)
        else:
            files.put_file(str(path), target)

    def _path(self, upload_id: str) -> Path:
        if not _ID.fullmatch(upload_id):
            raise _unknown(upload_id)
        return self._folder / f"{upload_id}.part"

    def _make_room(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        oldest = time.time() - STALE_S
        staged = list(self._folder.glob("*.part"))
        for path in (*staged, *self._folder.glob(f"*{_RECEIPT}")):
            with suppress(FileNotFoundError):  # another worker was quicker
                if path.stat().st_mtime < oldest:
                    path.unlink()
        if sum(path.exists() for path in staged) >= STAGED:
            raise Problem(
                "overloaded",
                f"{STAGED} uploads are under way",
                expected="one to end first",
                next_step="try again later; what nobody goes on with is thrown away after a day",
                headers={"Retry-After": "60"},
            )


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open a file to append to, alone: workers share the folder."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:  # else it was finished while this waited
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _landed_before(path: Path, said: UploadRequest) -> Landed:
    """Answer again for an upload that has landed.

    Raises:
        Problem: It has not, or with another row.
    """
    try:
        receipt = json.loads(path.with_suffix(_RECEIPT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unknown(path.stem) from None
    if receipt.pop("row") != _digest(said):
        raise _has_landed(receipt["video_id"])
    return Landed(**{**receipt, "landed_at": datetime.fromisoformat(receipt["landed_at"])})


def _digest(said: UploadRequest) -> str:
    return hashlib.sha256(said.model_dump_json().encode()).hexdigest()


def _unknown(upload_id: str) -> Problem:
    return Problem(
        "unknown_upload",
        "there is no such upload",
        got=upload_id[:80],
        expected="16 to 64 of a-z and 0-9, chosen by whoever sends, and at least one piece",
        next_step="send the pieces first: PUT /admin/uploads/{upload_id}?offset=0",
    )


def _has_landed(video_id: str) -> Problem:
    return Problem(
        "upload_landed",
        "the upload has landed, with another row",
        got=video_id,
        expected="the row that it landed with",
        next_step="change the video by a row in the landing zone, or send the clip under another "
        "upload_id",
    )


def _video_exists(video_id: str) -> Problem:
    return Problem(
        "video_exists",
        "there is a video with this id",
        got=video_id,
        expected="a video_id that no video has, or none",
        next_step="choose another video_id; a row in the landing zone changes a video that exists",
    )


def _piece_missing(size: int, offset: int) -> Problem:
    return Problem(
        "piece_missing",
        "a piece before this one is missing",
        got=f"offset {offset}",
        expected=f"offset {size}",
        next_step=f"go on from {size}",
    )


def _too_large(most: int) -> Problem:
    return Problem(
        "body_too_large",
        "the clip is too large",
        expected=f"at most {most} bytes ([serving] upload_mb)",
        next_step="put it into the landing zone by hand, or raise upload_mb",
    )


def _no_film() -> Problem:
    return Problem(
        "invalid_request",
        "the upload is no film that browsers play",
        expected="MP4 (H.264), WebM or Ogg",
        next_step="convert it; what was sent is thrown away",
    )
