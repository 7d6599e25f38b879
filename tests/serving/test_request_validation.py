"""Request validation over real HTTP: foreign pages, odd ids, no JSON, slow clients."""

import http.client
import json
import socket
from urllib.parse import quote, urlsplit

import polars as pl
import pytest

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.ids import IdMap
from kinoloop.schema import MAX_ID_CHARACTERS
from kinoloop.testing.service import running
from kinoloop.testing.toy import toy_catalogue
from tests.serving.conftest import JPEG, Service, make_bundle

FRIEND, STRANGER = "https://app.example", "https://evil.example"
ODD_IDS = ("a/b/c", "https://cdn.example/clips/1.mp4?x=1&y=2#t=3", "spaced  out", "100%", "%2F",
           "..", ".", "../etc/passwd", "a/../b", "ütf-8 ✓ 視頻", "tail/", "//two",
           "x" * MAX_ID_CHARACTERS)  # fmt: skip
JSON = {"content-type": "application/json"}
ASK = json.dumps({"user_id": "u", "top_k": 2}).encode()
CORS = (
    "services.kinoloop.http.cors.enabled=true "
    f'services.kinoloop.http.cors.access_control_allow_origins=["{FRIEND}"]'
)
SETTINGS = """[serving]
hosts = ["videos.example", "*.internal.example"]
max_body_kb = 64
header_s = 1
body_s = 1
max_connections = 16
spare_workers = 0
"""


def odd_catalogue() -> Catalogue:
    toy = toy_catalogue()
    names = [*ODD_IDS, *toy.ids.ids[len(ODD_IDS) :]]
    videos = toy.videos.with_columns(pl.Series("video_id", names))
    return Catalogue(IdMap(names), toy.published_at, videos, toy.modalities)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A service with CORS for a friend, ids of every kind, and little patience."""
    folder = tmp_path_factory.mktemp("validation")
    thumbnails = sorted((name, JPEG) for name in ODD_IDS)
    bundle = make_bundle(folder / "bundle", catalogue=odd_catalogue(), thumbnails=thumbnails)
    (folder / "kinoloop.toml").write_text(SETTINGS)
    with running(
        folder / "state",
        bundle=bundle,
        KINOLOOP_SETTINGS_FILE=str(folder / "kinoloop.toml"),
        BENTOML_CONFIG_OPTIONS=CORS,
    ) as url:
        yield Service(url, folder)


def send(service, method, path, body=None, headers=JSON):
    """One request as it is, without what a client library would correct."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=600)
    try:
        connection.putrequest(method, path, skip_host="host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    told = {name.lower(): value for name, value in answer.getheaders()}
    parsed = json.loads(content, parse_constant=pytest.fail) if "json" in str(told) else content
    return answer.status, parsed, told


# ---- who may ask ----


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_foreign_page_can_not_ask_without_a_preflight(odd, media_type):
    """What a page may send anywhere without asking first: a simple request, JSON as its text."""
    event = {"user_id": "u", "video_id": "a/b/c", "event": "dislike"}
    body = json.dumps({"events": [event]}).encode()
    headers = {"origin": STRANGER, **({"content-type": media_type} if media_type else {})}
    assert send(odd, "POST", "/feedback", body, headers)[1]["error"] == "foreign_origin"
    del headers["origin"]  # as if a browser had not told
    status, problem, _ = send(odd, "POST", "/feedback", body, headers)
    assert (status, problem["error"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("origin", [STRANGER, "null", "http://127.0.0.1:1", f"{FRIEND}.evil"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/recommend"), ("GET", "/about")])
def test_a_foreign_page_is_refused_whatever_it_asks(odd, origin, method, path):
    body = ASK if method == "POST" else None
    status, problem, told = send(odd, method, path, body, {**JSON, "origin": origin})
    assert (status, problem["error"]) == (403, "foreign_origin")
    assert "[serving] origins" in problem["expected"]
    assert "access-control-allow-origin" not in told


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.7", "[::2]", "["]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(odd, host):
    headers = {**JSON, "host": host, "origin": f"http://{host}"}
    for method, path in (("POST", "/recommend"), ("GET", "/"), ("GET", "/about")):
        status, problem, _ = send(odd, method, path, ASK if method == "POST" else None, headers)
        assert (status, problem["error"]) == (403, "foreign_host")
        assert "[serving] hosts" in problem["next_step"]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:3000", "127.0.0.1:80", "127.0.0.2", "[::1]:3000",
             "videos.example", "VIDEOS.example:443", "a.internal.example"]
)  # fmt: skip
def test_loopback_and_named_hosts_are_answered_and_their_own_page_may_ask(odd, host):
    for origin in (None, f"http://{host}", f"https://{host}"):
        headers = {**JSON, "host": host, **({"origin": origin} if origin else {})}
        assert send(odd, "POST", "/recommend", ASK, headers)[0] == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/metrics"])
def test_probes_are_answered_by_address(odd, path):
    assert send(odd, "GET", path, headers={"host": "10.0.0.7:3000"})[0] == 200


def test_the_preflight_of_a_page_that_cors_admits_passes(odd):
    """Case cors-preflight."""
    asks = {
        "origin": FRIEND,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    for path in ("/recommend", "/feedback", "/videos/a"):
        status, _, told = send(odd, "OPTIONS", path, headers=asks)
        assert (status, told["access-control-allow-origin"]) == (200, FRIEND)
    assert send(odd, "OPTIONS", "/recommend", headers={**asks, "origin": STRANGER})[0] == 400
    status, _, told = send(odd, "POST", "/recommend", ASK, {**JSON, "origin": FRIEND})
    assert (status, told["access-control-allow-origin"]) == (200, FRIEND)


def test_a_page_that_cors_admits_may_read_what_was_wrong(odd):
    for method, path, body in (("POST", "/recommend", b"{"), ("GET", "/recommend", None),
                               ("GET", "/no/such", None)):  # fmt: skip
        status, problem, told = send(odd, method, path, body, {**JSON, "origin": FRIEND})
        assert problem["status"] == status >= 400
        assert told["access-control-allow-origin"] == FRIEND


# ---- ids ----


@pytest.mark.parametrize("video_id", ODD_IDS, ids=lambda name: name[:20])
def test_any_id_that_ingest_takes_works_in_every_route(odd, video_id):
    """Case slash-ids."""
    path = quote(video_id, safe="")
    assert send(odd, "GET", f"/videos/{path}")[1]["video_id"] == video_id
    assert send(odd, "GET", f"/thumbnails/{path}")[1] == JPEG
    assert send(odd, "GET", f"/videos/?video_id={path}")[1]["video_id"] == video_id
    assert send(odd, "GET", f"/thumbnails/?video_id={path}")[1] == JPEG
    user = {"user_id": video_id, "top_k": 40}
    asked = {
        "/similar": {"video_id": video_id},
        "/recommend": {**user, "history": [video_id], "exclude": [video_id]},
        "/feedback": {"events": [{"user_id": video_id, "video_id": video_id, "event": "view"}]},
    }
    answers = {path: odd.ask(path, body) for path, body in asked.items()}
    assert [answer.status for answer in answers.values()] == [200] * 3
    assert answers["/feedback"].body["accepted"] == 1
    request_id = quote(answers["/similar"].body["request_id"], safe="")
    assert send(odd, "GET", f"/lineage/{request_id}")[0] == 200


def test_every_route_has_the_bound_of_ingest(odd):
    longer = "x" * (MAX_ID_CHARACTERS + 1)
    for path, body in {
        "/recommend": {"user_id": longer},
        "/similar": {"video_id": longer},
    }.items():
        assert odd.ask(path, body).body["error"] == "invalid_request"
    event = {"user_id": "u", "video_id": longer, "event": "view"}
    assert odd.ask("/feedback", {"events": [event]}).body["reasons"][0]["reason"] == "too_long"


# ---- bodies ----


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"user_id": "u", "top_k": NaN}', "NaN is not a JSON number"),
        (b'{"user_id": "u", "top_k": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"user_id": "a", "user_id": "b"}', "'user_id' occurs twice"),
        (b'{"user_id": "a", "user\\u005fid": "b"}', "'user_id' occurs twice"),
        (b'{"user_id": "\\ud800"}', "not valid UTF-8"),
        (b'{"user_id": "\xff"}', "not valid UTF-8"),
        ('{"user_id": "u"}'.encode("utf-16"), "not valid UTF-8"),
        (b'{"user_id": ' + b"[" * 30_000, "nested too deeply"),
        (b'{"user_id": "u", "top_k": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"user_id": "u"} {}', "Extra data"),
    ],
)
def test_what_two_readers_could_read_in_two_ways_is_no_json(odd, raw, says):
    status, problem, _ = send(odd, "POST", "/recommend", raw)
    assert (status, problem["error"]) == (400, "malformed_json")
    assert says in problem["what"]


def test_a_duplicate_key_within_an_event_is_refused_too(odd):
    raw = b'{"events": [{"user_id": "a", "user_id": "b", "video_id": "a/b/c", "event": "view"}]}'
    assert send(odd, "POST", "/feedback", raw)[1]["error"] == "malformed_json"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"user_id": "u", "%s": 1}' % (b"k" * 60_000),
        b'{"%s": 1, "%s": 2}' % (b"k" * 30_000, b"k" * 30_000),
        b'{"user_id": {"%s": 1}}' % (b"k" * 60_000),
        b'{"user_id": "u", "top_k": %s}' % (b"9" * 4000),
        b'{"user_id": "u", "top_k": 1e999}',
    ],
)
def test_an_answer_repeats_at_most_200_characters_of_what_was_sent(odd, raw):
    _, problem, _ = send(odd, "POST", "/recommend", raw)
    for part in problem.values():
        assert str(part).count("k") < 200
        assert str(part).count("9") < 200
    for method, path in (("GET", "/" + "k" * 9000), ("GET", "/videos/" + "k" * 9000),
                         ("K" * 900, "/recommend")):  # fmt: skip
        assert len(json.dumps(send(odd, method, path)[1])) < 900


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/octet-stream"},
        {"content-type": "application/vnd.bentoml+pickle"},
        {"content-type": "application/jsonp"},
        {**JSON, "content-encoding": "gzip"},
    ],
)
def test_what_is_not_announced_as_json_is_415_without_a_traceback(odd, headers):
    for path in ("/recommend", "/feedback", "/noop"):
        status, problem, _ = send(odd, "POST", path, ASK, headers)
        assert (status, problem["error"]) == (415, "unsupported_media_type")
    assert send(odd, "POST", "/recommend", ASK, {"content-type": "Application/JSON; a=b"})[0] == 200
    assert "Traceback" not in (odd.folder / "state" / "service.log").read_text()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/recommend", "POST"), ("DELETE", "/feedback", "POST"),
     ("POST", "/about", "GET, HEAD"), ("PUT", "/videos/a/b", "DELETE, GET, HEAD, PATCH"),
     ("OPTIONS", "/recommend", "POST")],
)  # fmt: skip
def test_an_answer_to_a_wrong_method_names_the_allowed_one(odd, method, path, allowed):
    status, problem, told = send(odd, method, path)
    assert (status, problem["error"], told["allow"]) == (405, "wrong_method", allowed)


@pytest.mark.parametrize("announced", [True, False])
def test_the_413_reaches_a_client_that_is_still_sending(odd, announced):
    """It goes on for a hundred times the bound, and never looks before it has sent all."""
    size, piece = 100 * 65536, b"x" * 65536
    head = f"content-length: {size}" if announced else "transfer-encoding: chunked"
    with _connection(odd) as client:
        client.sendall(
            f"POST /recommend HTTP/1.1\r\nhost: localhost\r\n{head}\r\n"
            "content-type: application/json\r\n\r\n".encode()
        )
        for _ in range(size // len(piece)):
            client.sendall(piece if announced else b"10000\r\n" + piece + b"\r\n")
        answer = _read_all(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "body_too_large"


# ---- clients that take their time ----


def _connection(service) -> socket.socket:
    parts = urlsplit(service.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=600)


def _read_all(client) -> bytes:
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("sent", [b"GET /about HTTP/1.1\r\nhost: local", b"\r\n", b"G"])
def test_a_client_that_never_ends_its_headers_is_cut_off(odd, sent):
    with _connection(odd) as client:
        client.sendall(sent)
        answer = _read_all(client)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_sends_nothing_is_cut_off(odd):
    with _connection(odd) as client:
        assert _read_all(client) == b""


def test_headers_without_end_are_cut_off(odd):
    with _connection(odd) as client:
        client.sendall(b"GET /about HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 70_000)
        answer = _read_all(client)
    assert answer.startswith(b"HTTP/1.1 431 ")
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert problem["type"] == "/problems/headers_too_large"


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        (b"host: localhost\r\nhost: localhost\r\n", 400),
        (b"host: localhost\r\nHost: evil.example\r\n", 400),
        (b"", 400),
        (b"host: localhost\r\n", 200),
    ],
)
@pytest.mark.parametrize("path", [b"/about", b"/livez"])
def test_a_request_names_one_host(odd, path, hosts, status):
    with _connection(odd) as client:
        client.sendall(b"GET " + path + b" HTTP/1.1\r\nconnection: close\r\n" + hosts + b"\r\n")
        answer = _read_all(client)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert (status == 200) == (b"Host headers" not in answer)


def test_a_probe_of_http_1_0_needs_no_host(odd):
    with _connection(odd) as client:
        client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert b" 200 " in _read_all(client).partition(b"\r\n")[0]


def test_a_body_that_never_ends_is_408_and_no_500(odd):
    with _connection(odd) as client:
        client.sendall(
            b"POST /recommend HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b'content-length: 99\r\n\r\n{"user_id"'
        )
        answer = _read_all(client)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in answer


def test_a_client_that_leaves_in_the_middle_is_no_error_of_ours(odd):
    with _connection(odd) as client:
        client.sendall(
            b"POST /search HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 99\r\n\r\n{"
        )
    counted = 'kinoloop_requests_total{route="/search",status="499"}'
    while counted not in odd.ask("/metrics").body:
        pass
    assert 'route="/search",status="500"' not in odd.ask("/metrics").body


def test_idle_connections_make_room_and_a_held_one_answers_still(odd):
    """Three times as many sockets as there may be connections, half of them in their headers."""
    idle = [_connection(odd) for _ in range(48)]
    for client in idle[::2]:
        client.sendall(b"GET /about HTTP/1.1\r\nhost:")
    assert [odd.ask("/about").status for _ in range(20)] == [200] * 20
    for client in idle:
        client.close()
