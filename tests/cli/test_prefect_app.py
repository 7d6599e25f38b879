import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from kinoloop.cli.prefect_app import Guard

HOME = "127.0.0.1:4200"


async def _greet(_request):
    return PlainTextResponse("hello")


async def _echo(websocket):
    await websocket.accept()
    await websocket.send_text(await websocket.receive_text())


@pytest.fixture
def client():
    app = Starlette(routes=[Route("/", _greet), WebSocketRoute("/ws", _echo)])
    return TestClient(Guard(app, ["127.0.0.1", "localhost", "::1"]), base_url=f"http://{HOME}")


@pytest.mark.parametrize("host", [HOME, "localhost", "LOCALHOST:9", "[::1]:4200"])
def test_own_names_are_let_in_with_and_without_their_page(client, host):
    assert client.get("/", headers={"host": host}).text == "hello"
    assert client.get("/", headers={"host": host, "origin": f"http://{host}"}).text == "hello"


@pytest.mark.parametrize(
    "host", ["evil.example:4200", "127.0.0.1.evil.example", "x@evil.example", "[::1", "", "127.1"]
)
def test_another_name_for_our_address_is_refused(client, host):
    assert client.get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", f"http://{HOME}.evil.example", "http://127.0.0.1:8888"],
)
def test_pages_of_other_origins_are_refused(client, origin):
    answer = client.get("/", headers={"origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(f"ws://{HOME}/ws", headers={"origin": origin}),
    ):
        pass


def test_websockets_of_our_own_are_let_in(client):
    for headers in ({}, {"origin": f"http://{HOME}"}):
        with client.websocket_connect(f"ws://{HOME}/ws", headers=headers) as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "hello"
