"""A file on its way to a client, however slowly that reads; others must not wait for it.

An answer that is under way holds a place of the worker (serving/admission.py). Answers are short;
films are not, and a client may stop reading in the middle. So only some places go to films, and one
that a client does not take on for a while ends.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import IO

from fastapi.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from serving.admission import busy

logger = logging.getLogger(__name__)

STREAMS = 64
"""Films on their way at a time, in a worker; one more is refused with 429."""

STALL_S = 30.0
"""A client that takes nothing for so long has stopped."""

_under_way: set["Stream"] = set()


class Stream(FileResponse):
    """Sends an open file, or the part that `Range` names, and closes it.

    Args:
        file: At its first byte. It is read through its descriptor, never again by its name.
        media_type: Of the file.
        headers: Of the answer, besides its own.
    """

    def __init__(
        self, file: IO[bytes], *, media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(
            f"/dev/fd/{file.fileno()}",
            headers=headers,
            media_type=media_type,
            stat_result=os.fstat(file.fileno()),
        )
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, unless too many are on their way."""
        try:
            if len(_under_way) >= STREAMS:
                await busy().response()(scope, receive, send)
                return
            _under_way.add(self)
            await super().__call__(scope, receive, _impatient(send))
        except TimeoutError:  # what is sent is not whole, so the server closes the connection
            logger.info("a client has stopped reading a clip; its connection is closed")
        finally:
            _under_way.discard(self)
            self._file.close()


def _impatient(send: Send) -> Send:
    async def sending(message: Message) -> None:
        async with asyncio.timeout(STALL_S):
            await send(message)

    return sending
