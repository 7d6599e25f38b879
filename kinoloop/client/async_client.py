"""The client for code that runs in an event loop; see kinoloop/client/sync_client.py."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, Unpack
from uuid import uuid4

from kinoloop.client import calls
from kinoloop.client.answers import About, FeedbackReceipt, Lineage, Slate, Video
from kinoloop.client.calls import Call
from kinoloop.client.conversation import IDLE_S, Conversation, httpx
from kinoloop.client.operation import Availability, Overview, Uploaded
from kinoloop.client.options import (
    AvailabilityOptions,
    ClipOptions,
    Event,
    FindOptions,
    ManyOptions,
    RecommendOptions,
)
from kinoloop.client.retries import Retries
from kinoloop.errors import ServiceError, UnavailableError

T = TypeVar("T")


class AsyncClient:
    """Asks a running service, as `Client` does; many requests may be under way at a time.

    Args:
        url: Of the service.
        token: Sent as `Authorization: Bearer …`, where the service asks for one.
        timeout_s: How long connecting, and each silence of the service, may take.
        retries: When a request is sent again; None: three times, as `Retries` has it.
        connections: Open at a time, at most.

    Raises:
        RefusedError: Of every method: the service refuses the request; correct it.
        UnavailableError: Of every method: nothing answers, or not now.
        ServiceError: Of every method: the service failed, or something else is at its address.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:3000",
        *,
        token: str | None = None,
        timeout_s: float = 10.0,
        retries: Retries | None = None,
        connections: int = 20,
    ) -> None:
        self._talk = Conversation(url, token=token, retries=retries or Retries())
        limits = httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=IDLE_S,
        )
        self._http = httpx.AsyncClient(headers=self._talk.headers, timeout=timeout_s, limits=limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def recommend(self, user_id: str | int, **options: Unpack[RecommendOptions]) -> Slate:
        """Recommend videos to a user; `cursor` asks for the next page."""
        return await self._ask(calls.recommend(user_id, options))

    async def recommend_many(
        self,
        users: Iterable[str | int],
        *,
        per_request: int = 200,
        **options: Unpack[ManyOptions],
    ) -> AsyncIterator[Slate | ServiceError]:
        """Yield a slate for each of any number of users, in their order.

        What went wrong for one user is yielded as its error; what ends a whole request is raised,
        after the answers of those before.

        Args:
            users: Their ids; read as answers come.
            per_request: Users in one request, 1 to 1000.
            options: The same for all of them.

        Raises:
            ConfigError: `per_request` is out of bounds.
        """
        for some in calls.in_requests(users, per_request):
            for answer in await self._ask(calls.recommend_many(some, options)):
                yield answer

    async def similar(self, video_id: str, **options: Unpack[FindOptions]) -> Slate:
        """Find videos that look, sound and read like one video."""
        return await self._ask(calls.similar(video_id, options))

    async def search(self, query: str, **options: Unpack[FindOptions]) -> Slate:
        """Find videos by a text: by its meaning and by its words."""
        return await self._ask(calls.search(query, options))

    async def feedback(self, events: Iterable[Event]) -> FeedbackReceipt:
        """Tell what users did; an event without `event_id` or `timestamp` gets them here.

        Sent again where the answer was lost: an event counts once. What is rejected stands in
        `reasons` of the receipt; it is no error.
        """
        return await self._ask(calls.feedback(events))

    async def identify(self, user_id: str | int, person_id: str | int) -> FeedbackReceipt:
        """Say which person an id is (a device, somebody before the login)."""
        return await self._ask(calls.identify(user_id, person_id))

    async def lineage(self, request_id: str) -> Lineage:
        """Return where an answer came from."""
        return await self._ask(calls.lineage(request_id))

    async def video(self, video_id: str) -> Video:
        """Return what the release in service knows of a video."""
        return await self._ask(calls.video(video_id))

    async def thumbnail(self, video_id: str) -> bytes:
        """Return a frame of a video, JPEG."""
        return await self._ask(calls.thumbnail(video_id))

    async def about(self) -> About:
        """Return which release is in service."""
        return await self._ask(calls.about())

    async def overview(self) -> Overview:
        """Return the operator's view: what serves, how it does, what was decided and why."""
        return await self._ask(calls.overview())

    async def metrics(self) -> str:
        """Return the metrics of all workers, in the text format of Prometheus."""
        return await self._ask(calls.metrics())

    async def take_down(self, video_id: str) -> Availability:
        """Have a video shown no more, from now on."""
        return await self._ask(calls.take_down(video_id))

    async def change_availability(
        self, video_id: str, **change: Unpack[AvailabilityOptions]
    ) -> Availability:
        """Change when a video may be shown, from now on."""
        return await self._ask(calls.change_availability(video_id, change))

    async def upload(self, path: Path, title: str, **said: Unpack[ClipOptions]) -> Uploaded:
        """Send a clip to the landing zone, in pieces; from there it is a video like any other."""
        upload_id = uuid4().hex
        for offset, piece in calls.pieces(path):
            await self._ask(calls.upload_piece(upload_id, offset, piece))
        return await self._ask(calls.upload(upload_id, title, said))

    async def ready(self) -> bool:
        """Whether the service has a release to answer with; asks once."""
        call = calls.ready()
        try:
            self._talk.answer(call, await self._send(call))
        except UnavailableError:
            return False
        return True

    async def _ask(self, call: Call[T]) -> T:
        sent = 1
        said = await self._send(call)
        while (wait_s := self._talk.wait_s(call, said, sent)) is not None:
            await asyncio.sleep(wait_s)
            said = await self._send(call)
            sent += 1
        return self._talk.answer(call, said)

    async def _send(self, call: Call[T]) -> httpx.Response | httpx.RequestError:
        try:
            return await self._http.request(**self._talk.request(call))
        except httpx.RequestError as err:
            return err
