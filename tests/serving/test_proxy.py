"""The example of a TLS proxy, run for real in front of the real service."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from kinoloop.testing.service import free_port

CADDYFILE = Path(__file__).resolve().parents[2] / "ops" / "Caddyfile"
CADDY = Path(sys.executable).parent / "caddy"


@pytest.fixture(scope="module")
def proxy(service, tmp_path_factory):
    """Ask through a proxy that knows the service and another one, at which nobody is."""
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    here = service.url.removeprefix("http://")
    given = {
        "SITE": "localhost",
        "HTTP_PORT": str(free_port()),
        "HTTPS_PORT": str(port),
        "KINOLOOP_SERVICES": f"127.0.0.1:{free_port()} {here}",
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    command = [shutil.which(CADDY), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **given}, stdout=log, stderr=log)
    root = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    def ask(path, body=None, **headers):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(f"https://localhost:{port}{path}", data, headers)
        trusted = ssl.create_default_context(cafile=root)
        try:
            with urllib.request.urlopen(request, context=trusted, timeout=60) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as err:
            return err.code, err.read(), err.headers

    try:
        end = time.monotonic() + 120
        while not _answers(ask, root):
            assert process.poll() is None, (folder / "caddy.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.1)
        yield ask
    finally:
        process.terminate()
        process.wait(60)


def _answers(ask, root) -> bool:
    try:
        return root.exists() and ask("/about")[0] == 200
    except OSError:
        return False


def test_slates_and_feedback_pass_whichever_service_is_there(proxy):
    for number in range(6):
        status, body, headers = proxy("/recommend", {"user_id": f"u{number:03d}", "top_k": 3})
        assert (status, len(json.loads(body)["slate"])) == (200, 3)
        assert "max-age" in headers["strict-transport-security"]
        event = {"user_id": "by proxy", "video_id": "v003", "event": "like"}
        status, body, _ = proxy("/feedback", {"events": [event]})
        assert (status, json.loads(body)["accepted"]) == (200, 1)


def test_the_page_is_that_of_the_service_and_the_inside_stays_inside(proxy):
    status, page, _ = proxy("/")
    assert (status, b"<html" in page) == (200, True)
    for path in ("/metrics", "/readyz", "/livez"):
        assert proxy(path)[0] == 404


def test_a_page_of_another_site_is_refused_behind_the_proxy_too(proxy):
    status, body, _ = proxy("/recommend", {"user_id": "u000"}, Origin="https://elsewhere.example")
    assert (status, json.loads(body)["error"]) == (403, "foreign_origin")
