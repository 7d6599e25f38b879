"""`POST /recommend/batch`: slates for up to a thousand users in one request.

For mails and notifications. Each user is answered as a single request would be, by the same code,
with a request id, impressions and lineage of its own; what goes wrong for one user is that user's
answer. The answer is sent as it is made, so that it needs neither memory for all nor an end within
the seconds that a single answer has.

Nobody waits for it: between two users the loop goes round, so that requests which came meanwhile
are answered first, and of all batches of a worker one user is worked on at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from serving import metrics
from serving.admission import Admission, busy
from serving.answers import Asker, written
from serving.asking import Wish
from serving.bodies import GoneError
from serving.messages import UserId
from serving.problems import Problem, explain
from serving.recommending import Recommending
from serving.wrong_values import words

BATCHES = 8
"""Batches that a worker answers at a time; one more is refused with 429."""

SEND_S = 60.0
"""How long a client may leave what was sent to it unread, before it is taken for gone."""

_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)
_EXPECTED = words(_USER_ID.json_schema())


class Batches:
    """Answers for many users.

    Args:
        recommending: Makes the slate of one.
        admission: Whose requests go first.
        charge: Called with each user id; raises where there are too many requests about that user.
    """

    def __init__(
        self, recommending: Recommending, admission: Admission, *, charge: Callable[[str], None]
    ) -> None:
        self._recommending, self._admission, self._charge = recommending, admission, charge
        self._turn = asyncio.Lock()
        self._open = 0

    def answer(self, users: Sequence[Any], wish: Wish, asker: Asker) -> Response:
        """Answer with a slate, or what went wrong, for each user, in their order.

        Args:
            users: Ids as they came, parsed JSON.
            wish: Of the client, for all of them.
            asker: From where.

        Raises:
            Problem: 429, too many batches are under way.
        """
        if self._open >= BATCHES:
            raise busy()
        return Stream(self._parts(users, wish, asker), media_type="application/json")

    async def _parts(self, users: Sequence[Any], wish: Wish, asker: Asker) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            before = b'{"answers": ['
            for position, user in enumerate(users):
                async with self._turn:
                    await self._admission.give_way(self._open)
                    body = await self._one(position, user, wish, asker)
                yield before + written(body)
                before = b", "
            yield b"]}"
        finally:
            self._open -= 1

    async def _one(self, position: int, user: Any, wish: Wish, asker: Asker) -> dict[str, Any]:  # noqa: ANN401 (any JSON)
        try:
            user_id = _user_id(position, user)
            self._charge(user_id)
            body = await self._recommending.to(user_id, wish, asker)
        except Exception as error:  # noqa: BLE001 (the answer of this user, and of no other)
            metrics.BATCHED.labels("failed").inc()
            return explain(error).body
        metrics.BATCHED.labels("answered").inc()
        return body


class Stream(StreamingResponse):
    """An answer in parts, for a client that reads them: one that does not keeps no place."""

    async def stream_response(self, send: Send) -> None:
        """Send the parts.

        Raises:
            GoneError: The client does not read.
        """

        async def bounded(message: Message) -> None:
            async with asyncio.timeout(SEND_S):
                await send(message)

        try:
            await super().stream_response(bounded)
        except TimeoutError as err:
            raise GoneError from err


def _user_id(position: int, user: object) -> str:
    try:
        return _USER_ID.validate_python(user)
    except ValidationError as err:
        raise Problem(
            "invalid_request",
            f"users.{position} is wrong",
            got=user,
            expected=_EXPECTED,
            next_step="correct this user; the others are answered",
        ) from err
