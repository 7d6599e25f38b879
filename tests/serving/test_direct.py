import asyncio

import pytest

from serving.answer_transport import AnswerTransport
from serving.direct import HOT, Direct
from serving.messages import RecommendRequest

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Connection:
    def __init__(self):
        self.packets: list[bytes] = []
        self.transport = self

    def write(self, data):
        self.packets.append(data)

    def is_closing(self):
        return False

    def close(self):
        pass


@pytest.mark.parametrize(
    ("writes", "packets"),
    [
        ((HEAD, b"{}"), [HEAD + b"{}"]),
        ((HEAD, b""), [HEAD]),  # a file that is empty
        ((b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"{}"),
         [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"{}"]),
        ((CHUNKED, b"5\r\n\r\ncontent-length: \r\n"), [CHUNKED, b"5\r\n\r\ncontent-length: \r\n"]),
        ((HEAD, b"{", b"\r\ncontent-length: }"), [HEAD + b"{", b"\r\ncontent-length: }"]),
    ],
)  # fmt: skip
def test_a_head_waits_for_its_body_and_nothing_else_waits(writes, packets):
    connection = Connection()
    transport = AnswerTransport(connection)
    for data in writes:
        transport.write(data)
    assert connection.packets == packets


def test_a_head_that_no_body_follows_goes_at_once(service):
    connection = Connection()
    AnswerTransport(connection, bodiless=True).write(HEAD)
    assert connection.packets == [HEAD]
    asked = service.ask("/", method="HEAD")
    assert (asked.status, asked.body) == (200, "")
    assert asked.headers["content-length"] == service.ask("/").headers["content-length"]
    assert "default-src 'none'" in asked.headers["content-security-policy"]
    ready = service.ask("/readyz", method="HEAD")
    assert (ready.status, ready.headers["content-length"]) == (200, "6")


def test_a_hot_route_sends_the_headers_that_bentoml_sends(service):
    body = {"user_id": "somebody", "top_k": 3}
    direct = service.ask("/recommend", body)
    by_bentoml = service.ask("/noop", {})
    assert direct.status == by_bentoml.status == 200
    assert direct.headers["server"] == by_bentoml.headers["server"]
    assert direct.headers.keys() == by_bentoml.headers.keys()


def test_a_handler_is_looked_up_once_and_gets_the_fields_of_the_body():
    looked = []

    class Bound:
        async def local(self, **asked):
            from starlette.responses import Response

            return Response(asked["user_id"])

    class Served:
        def __getattr__(self, name):
            looked.append(name)
            return Bound()

    direct = Direct(Served)
    for path in (*HOT, *HOT, "/noop"):
        handler = direct.find(path)
        assert (handler is None) == (path not in HOT)
    assert looked == list(HOT.values())
    body = RecommendRequest(user_id="u", top_k=1)
    response = asyncio.run(direct.answer(direct.find("/recommend"), body))
    assert response.body == b"u"
