"""Where an answer came from: one line per request in append-only files, found again by request id.

A request id is `<segment>-<offset>-<token>`: it says in which file and where its line starts, so
that any worker finds it with one seek and no index exists that could lag behind. The token is
random: a request id cannot be guessed from another.

An append costs about 10 µs and needs no lock, because each worker appends to a file of its own. A
line survives a killed process at once and a power cut after at most one second (`sync`, called
from a background thread). Files roll over; those past the age or size bound are deleted. No user
id is in them, not even as a pseudonym.
"""

import contextlib
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 32 * 2**20
SEGMENT_S = 86_400.0
MAX_LINE_BYTES = 2**20
MAX_PAGES = 100
"""Pages of one slate: each is looked up for the next one, since nothing may come twice."""

_REQUEST_ID = re.compile(r"([0-9a-f]{11}\.[0-9a-f]{8})-([0-9a-f]{1,8})-[0-9a-f]{16}")


class Pages(NamedTuple):
    """Pages of one slate.

    Attributes:
        videos: External ids that they showed.
        number: How many they are.
    """

    videos: list[str]
    number: int

    @property
    def last(self) -> bool:
        """Whether no other may come."""
        return self.number >= MAX_PAGES


class Lineage:
    """Appends to one segment and reads all.

    Args:
        folder: Where the segments are; it is made.
        max_days: Older segments are deleted.
        max_bytes: Of all segments together; the oldest are deleted first.
    """

    def __init__(self, folder: Path, *, max_days: float, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._max_days, self._max_bytes = folder, max_days, max_bytes
        self._open_segment()

    def record(
        self,
        endpoint: str,
        videos: Sequence[str],
        versions: dict[str, str | None],
        *,
        page_after: str | None = None,
    ) -> str:
        """Remember an answer; called from one thread only.

        Args:
            endpoint: Such as `recommend`.
            videos: External ids, in the order of the slate.
            versions: `model_version`, `catalogue_version`, `dataset_version` and the like.
            page_after: Request id of the page before, where this is a further page of a slate.

        Returns:
            The request id. It is given even where the disk is full: the answer matters more, and
            the lookup then says that it knows nothing.
        """
        if self._offset > SEGMENT_BYTES or time.time() - self._opened > SEGMENT_S:
            self._open_segment()
        request_id = f"{self._segment}-{self._offset:x}-{secrets.token_hex(8)}"
        line = {
            "request_id": request_id,
            "endpoint": endpoint,
            "answered_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **versions,
            "videos": videos,
            **({} if page_after is None else {"page_after": page_after}),
        }
        encoded = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        try:
            self._offset += os.write(self._descriptor, encoded)
        except OSError:
            logger.exception("the lineage of an answer could not be written")
        return request_id

    def find(self, request_id: str) -> dict[str, Any] | None:
        """Return what is known of an answer; None where nothing is, or no longer."""
        return find(self.folder, request_id)

    def pages_to(self, request_id: str) -> Pages | None:
        """Return a page of a slate of `/recommend` with those before it; None where unknown."""
        videos: list[str] = []
        page: str | None = request_id
        number = 0
        while page is not None and number < MAX_PAGES:
            found = self.find(page)
            if found is None or found.get("endpoint") != "recommend":
                return None
            videos += found["videos"]
            page, number = found.get("page_after"), number + 1
        return Pages(videos, number)

    def sync(self) -> None:
        """Bring what was appended to the disk."""
        with contextlib.suppress(OSError):  # the segment may roll over at this very moment
            os.fsync(self._descriptor)

    def forget(self) -> int:
        """Delete segments past the bounds, never the one in use; how many."""
        kept_bytes, gone = 0, 0
        oldest = time.time() - self._max_days * 86_400
        for path in sorted(self.folder.glob("*.jsonl"), reverse=True):
            try:
                stat = path.stat()
                kept_bytes += stat.st_size
                mine = path.name.startswith(self._segment)
                if not mine and (stat.st_mtime < oldest or kept_bytes > self._max_bytes):
                    path.unlink()
                    gone += 1
            except FileNotFoundError:
                continue  # another worker was quicker
        return gone

    def close(self) -> None:
        """Bring everything to the disk and close the segment."""
        self.sync()
        os.close(self._descriptor)

    def _open_segment(self) -> None:
        previous: int | None = getattr(self, "_descriptor", None)
        self._opened = time.time()
        self._segment = f"{int(self._opened * 1000):011x}.{secrets.token_hex(4)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._descriptor = os.open(self.folder / f"{self._segment}.jsonl", flags, 0o600)
        self._offset = 0
        if previous is not None:
            os.close(previous)


def find(folder: Path, request_id: str) -> dict[str, Any] | None:
    """Return what a folder of lineage knows of an answer; None where nothing, or no longer."""
    match = _REQUEST_ID.fullmatch(request_id)
    if match is None:
        return None
    try:
        with (folder / f"{match[1]}.jsonl").open("rb") as file:
            file.seek(int(match[2], 16))
            document = json.loads(file.readline(MAX_LINE_BYTES))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("request_id") != request_id:
        return None
    return document
