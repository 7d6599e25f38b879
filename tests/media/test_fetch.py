import socket
import sys
from pathlib import Path

import pytest

from kinoloop.errors import MediaError
from kinoloop.media import fetch, http
from kinoloop.media.access import AccessConfig
from kinoloop.media.fetch import MAX_FAILURES, Fetcher
from tests.media.hostile_server import hostile_server


@pytest.fixture(scope="module")
def server():
    with hostile_server() as server:
        yield server


def allowing(server, **changed):
    facts = {"hosts": (f"127.0.0.1:{server.port}",), "networks": ("127.0.0.0/8",), "stall_s": 20}
    return AccessConfig.model_validate({**facts, **changed})


def read(fetcher, url, max_bytes=1 << 20):
    with fetcher.downloaded(url, max_bytes=max_bytes) as path:
        return path.read_bytes()


def test_downloads_what_is_there_and_removes_it_afterwards(server):
    with Fetcher(allowing(server)).downloaded(server.url("good"), max_bytes=5) as path:
        assert path.read_bytes() == b"12345"
    assert not path.exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("silent", r"unreachable: .*(stalls: 0 bytes in 0\.5 s|sends nothing)"),
        ("drip", r"unreachable: .*stalls: \d+ bytes in 0\.5 s"),
        ("drip_headers", r"unreachable: .*stalls"),
        ("endless", "too_large: .*more than 1048576 bytes"),
        ("slow_and_endless", "unreachable: .*takes more than 1 s|too_large"),
        ("short", "unreachable: .*its server fails: peer closed connection"),
        ("broken_chunks", "unreachable: .*its server fails"),
        ("says_it_is_huge", "too_large|unreachable"),
        ("no_http", "unreachable: .*its server fails"),
        ("nothing", "unreachable: .*its server fails"),
        ("loop", "not_found: .*redirects more than 5 times"),
        ("gone", "not_found: .*answers 404"),
        ("busy", "unreachable: .*answers 503"),
    ],
)
def test_whatever_a_server_does_is_a_reason_within_bounds(server, path, said):
    patience = {"stall_s": 0.5} if path in {"silent", "drip", "drip_headers"} else {}
    patience |= {"download_s": 1} if path == "slow_and_endless" else {}
    with pytest.raises(MediaError, match=said):
        read(Fetcher(allowing(server, **patience)), server.url(path))


def test_token_is_bounded_as_well(server):
    with pytest.raises(MediaError, match="unreachable"):
        Fetcher(allowing(server, stall_s=0.5)).token(server.url("drip_headers"))


def test_token_changes_with_what_the_server_says_of_its_content(server):
    fetcher = Fetcher(allowing(server))
    before = fetcher.token(server.url("good"))
    assert before == 'size=5|ETag="1"'
    assert fetcher.token(server.url("no_head")) == before
    server.body = b"123456"
    assert fetcher.token(server.url("good")) != before
    server.body = b"12345"


def test_server_that_fails_is_not_asked_for_every_video(server):
    fetcher = Fetcher(allowing(server))
    before = len(server.asked)
    for _ in range(MAX_FAILURES + 5):
        with pytest.raises(MediaError, match="unreachable"):
            read(fetcher, server.url("busy"))
    assert len(server.asked) - before == MAX_FAILURES
    with pytest.raises(MediaError, match="failed 3 times in a row and is not asked again"):
        read(fetcher, server.url("good"))


def test_server_that_only_lacks_some_files_is_asked_on(server):
    fetcher = Fetcher(allowing(server))
    for _ in range(MAX_FAILURES + 1):
        with pytest.raises(MediaError, match="not_found"):
            read(fetcher, server.url("gone"))
    assert read(fetcher, server.url("good")) == b"12345"


@pytest.mark.parametrize(
    "location",
    ["http://localhost/", "http://169.254.169.254/x", "file:///etc/passwd", "http://[::1"],
)
def test_redirect_leads_only_where_the_catalogue_could(server, location):
    server.location = location
    with pytest.raises(MediaError, match=r"not_allowed|not_found: .*not an address"):
        read(Fetcher(allowing(server)), server.url("moved"))


def test_redirect_to_what_is_allowed_is_followed(server):
    server.location = server.url("good")
    assert read(Fetcher(allowing(server)), server.url("moved")) == b"12345"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1%eth0",
        "fd00::1",
        "fec0::1",
        "192.88.99.1",
        "64:ff9b::c058:6301",
        "3fff::1",
        "224.0.0.1",
    ],
)
def test_name_that_stands_for_an_address_within_is_refused(server, monkeypatch, address):
    asked = []

    def resolve(host, port, **_):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(http.socket, "getaddrinfo", resolve)
    access = AccessConfig(hosts=("*",))
    with pytest.raises(MediaError, match=r"not_allowed: .*not on the public internet"):
        read(Fetcher(access), "http://clips.example.com/a.mp4")
    assert asked == ["clips.example.com"]  # once: who rebinds the name gains nothing


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "localhost"]
)
def test_other_ways_to_write_loopback_are_refused(host):
    with pytest.raises(MediaError, match=r"not_allowed|bad_name: .*Invalid IPv4 address"):
        read(Fetcher(AccessConfig(hosts=("*",))), f"http://{host}/a.mp4")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://[::1", "bad_name"),
        ("http://host:abc/", "bad_name"),
        ("http://host:99999/", "bad_name"),
        ("http:///a.mp4", "bad_name"),
        ("http://\N{GRINNING FACE}.com/", "bad_name"),
        (f"http://{'a' * 300}/", "bad_name"),
        ("http://host:22/", "not_allowed"),
        ("http://me@host/", "credentials"),
    ],
)
def test_address_that_makes_no_sense_is_a_reason(url, reason):
    with pytest.raises(MediaError) as caught:
        read(Fetcher(AccessConfig(hosts=("*",))), url)
    assert caught.value.reason == reason


def test_server_that_speaks_no_tls_is_a_reason(server):
    url = server.url("good").replace("http:", "https:")
    with pytest.raises(MediaError, match=r"unreachable: .*no TLS connection"):
        read(Fetcher(allowing(server)), url)


def test_store_without_its_library_is_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    for url in ("s3://bucket/a.mp4", "gs://bucket/a.mp4"):
        with pytest.raises(MediaError, match=r"not_installed: .*a library is missing"):
            read(Fetcher(), url)


def test_store_is_read_and_bounded():
    import fsspec

    with fsspec.open("memory://source/a", "wb") as file:
        file.write(b"12345")
    assert read(Fetcher(), "memory://source/a") == b"12345"
    with pytest.raises(MediaError, match="too_large: memory://source/a: it has more than 4 bytes"):
        read(Fetcher(), "memory://source/a", max_bytes=4)
    with pytest.raises(MediaError, match="not_found: memory://source/gone"):
        Fetcher().token("memory://source/gone")


def test_library_that_hangs_is_left_behind(monkeypatch):
    import threading

    over = threading.Event()
    monkeypatch.setattr(fetch, "_read_store", lambda *_: over.wait(60))
    with pytest.raises(MediaError, match=r"unreachable: .*stalls: 0 bytes in 0\.3 s"):
        read(Fetcher(AccessConfig(stall_s=0.3)), "memory://source/a")
    over.set()


def test_disk_that_is_full_is_not_the_fault_of_the_video(server, monkeypatch):
    class Full:
        name = "/dev/full"

        def __init__(self, **_):
            self.file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

    monkeypatch.setattr(fetch.tempfile, "NamedTemporaryFile", Full)
    with pytest.raises(MediaError, match=r"no_space: .*no room for it"):
        read(Fetcher(allowing(server)), server.url("good"))
