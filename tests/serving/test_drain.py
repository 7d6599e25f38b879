"""When a service that was told to stop counts as left by its clients."""

import asyncio
import os
import signal

import pytest

from serving import drain
from serving.connections import Connections
from serving.drain import Drain


class Visitor:
    def drop(self) -> None: ...


@pytest.fixture
def looks(monkeypatch):
    monkeypatch.setattr(drain, "LOOK_S", 0.0)


def stopped_after(visit, *, looks: int) -> bool:
    """Whether the server was stopped by then; `visit` happens between every two looks."""
    connections, stops = Connections(8), []
    before = signal.signal(signal.SIGTERM, lambda *_: stops.append(1))

    async def live() -> None:
        Drain(connections, longest_s=600).watch()
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(looks):
            visit(connections)
            await asyncio.sleep(0)

    try:
        asyncio.run(live())
    finally:
        signal.signal(signal.SIGTERM, before)
    return bool(stops)


def come_and_go(connections) -> None:
    visitor = Visitor()
    connections.admit(visitor)
    connections.forget(visitor)


@pytest.mark.usefixtures("looks")
def test_clients_that_came_and_went_between_two_looks_count_as_there():
    assert not stopped_after(come_and_go, looks=20 * drain.QUIET_LOOKS)


@pytest.mark.usefixtures("looks")
def test_a_service_without_clients_is_stopped():
    assert stopped_after(lambda _: None, looks=20 * drain.QUIET_LOOKS)
