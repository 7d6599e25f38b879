"""A web server that misbehaves as its path says; on a port of its own, in a thread."""

import socket
import threading
from contextlib import contextmanager, suppress

OK = b'HTTP/1.1 200 OK\r\nETag: "1"\r\n'


class HostileServer:
    def __init__(self):
        self.asked = []
        self.body = b"12345"
        self.location = ""
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    def stop(self):
        self._over.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._socket.close()

    def _serve(self):
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client):
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                received = client.recv(65536)
                if not received or received.startswith(b"\x16"):  # TLS
                    return
                head += received
            method, path = head.decode().split(" ")[:2]
            self.asked.append((method, path))
            for part in getattr(self, f"_{path.strip('/').split('?')[0]}")(method):
                client.sendall(part)

    def _forever(self, part, pause_s=0.0):
        while not self._over.is_set():
            yield part
            if pause_s:
                self._over.wait(pause_s)

    def _good(self, method):
        yield OK + b"Content-Length: %d\r\n\r\n" % len(self.body)
        if method == "GET":
            yield self.body

    def _silent(self, method):
        yield b""
        self._over.wait(30)

    def _drip(self, method):
        yield OK + b"Content-Length: 1000000\r\n\r\n"
        yield from self._forever(b"x", 0.02)

    def _drip_headers(self, method):
        yield OK
        yield from self._forever(b"X-A: b\r\n", 0.02)

    def _endless(self, method):
        yield OK + b"\r\n"
        yield from self._forever(b"x" * 65536)

    def _slow_and_endless(self, method):
        yield OK + b"\r\n"
        yield from self._forever(b"x" * 65536, 0.02)

    def _short(self, method):
        yield OK + b"Content-Length: 1000\r\n\r\n12345"

    def _broken_chunks(self, method):
        yield OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n12345"

    def _says_it_is_huge(self, method):
        yield OK + b"Content-Length: 99999999999999999999999\r\n\r\n"

    def _no_http(self, method):
        yield b"220 mail.example.com ESMTP\r\n"

    def _nothing(self, method):
        yield b""

    def _loop(self, method):
        yield from self._to(self.url("loop"))

    def _moved(self, method):
        yield from self._to(self.location)

    def _to(self, place):
        yield b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
        yield f"Location: {place}\r\n\r\n".encode()

    def _gone(self, method):
        yield b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"

    def _no_head(self, method):
        if method == "HEAD":
            yield b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"
        else:
            yield from self._good(method)

    def _busy(self, method):
        yield b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def hostile_server():
    server = HostileServer()
    try:
        yield server
    finally:
        server.stop()
