"""A real HTTP server that answers by a script and writes down what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

DROP = "drop"
"""The connection is closed without an answer."""
HANG = "hang"
"""Nothing is answered until the server ends."""
VERSIONS = {"model_version": "7", "catalogue_version": "c", "dataset_version": "d"}
SLATE = {"request_id": "r", **VERSIONS, "slate": []}
RECEIPT = {"accepted": 1, "held": 0, "rejected": 0, "reasons": []}


class Reply(NamedTuple):
    status: int = 200
    body: Any = None
    headers: dict[str, str] = {}
    kind: str = "application/json"


def problem(status: int, error: str, **headers: str) -> Reply:
    said = {"error": error, "what": "it is wrong", "got": "x", "expected": "y", "next_step": "mend"}
    return Reply(status, said, headers, "application/problem+json")


class Seen(NamedTuple):
    method: str
    path: str
    body: bytes
    headers: dict[str, str]


class Script:
    def __init__(self, replies: list[Any]) -> None:
        self.replies, self.seen = replies, []
        self.connections, self.over = 0, threading.Event()
        self.url = ""


@contextmanager
def scripted(*replies: Any) -> Iterator[Script]:
    script = Script(list(replies))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            super().setup()
            script.connections += 1

        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            sent = {name.lower(): value for name, value in self.headers.items()}
            script.seen.append(Seen(self.command, self.path, body, sent))
            reply = script.replies.pop(0)
            if reply == HANG:
                script.over.wait()
            if isinstance(reply, str):
                self.close_connection = True
                return
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            headers = {"content-type": reply.kind, "content-length": str(len(body))}
            for name, value in {**headers, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 (the names of http.server)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        script.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
