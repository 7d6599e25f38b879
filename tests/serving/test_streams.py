import asyncio

import pytest

from serving import streams
from serving.streams import Stream

SCOPE = {"type": "http", "method": "GET", "headers": []}


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(300_000))
    return path


def stream(film):
    return Stream(film.open("rb"), media_type="video/mp4")


async def nothing():
    await asyncio.Event().wait()


def test_films_take_only_so_many_places_and_give_them_back(film, monkeypatch):
    monkeypatch.setattr(streams, "STREAMS", 1)
    said = []

    async def take_all(message):
        said.append(message)

    async def send_two():
        reads = asyncio.Event()

        async def slowly(message):
            await reads.wait()

        first = asyncio.create_task(stream(film)(SCOPE, nothing, slowly))
        await asyncio.sleep(0)
        await stream(film)(SCOPE, nothing, take_all)
        reads.set()
        await first
        await stream(film)(SCOPE, nothing, take_all)

    asyncio.run(send_two())
    assert [m["status"] for m in said if "status" in m] == [429, 200]
    assert sum(len(m.get("body", b"")) for m in said[2:]) == 300_000


def test_a_client_that_stops_reading_gives_its_place_back(film, monkeypatch, caplog):
    monkeypatch.setattr(streams, "STALL_S", 0.01)
    caplog.set_level("INFO")

    async def stopped(message):
        await asyncio.Event().wait()

    asyncio.run(stream(film)(SCOPE, nothing, stopped))
    assert "has stopped reading" in caplog.text
    assert not streams._under_way
