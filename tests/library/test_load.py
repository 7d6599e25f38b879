import asyncio

from kinoloop.testing.load import load, requests_for

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def test_connection_that_the_service_ended_while_it_was_idle_is_no_failed_request():
    connections = []

    async def answer_once(reader, writer):
        connections.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(b"{}"))
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async def run():
        server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        async with server:
            requests = requests_for(url, "/noop", ["anna"])
            return await load(url, requests, clients=1, seconds=2, pause_s=0.5)

    good, failed = asyncio.run(run())
    assert failed == 0
    assert len(good) == len(connections) >= 2
