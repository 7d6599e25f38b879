"""Every route of the running service, asked without a token, with wrong ones and the right one.

The routes come from the OpenAPI document and from the application itself, so that a new one is
walked, too, and one that is not in the table of scopes is noticed.
"""

import http.client
import json
import re
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from starlette.routing import Mount
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.client import Client
from kinoloop.environment import Environment
from kinoloop.errors import RefusedError
from kinoloop.privacy.tokens import SCOPES, add_token, new_token, tokens_file
from kinoloop.testing.service import running
from serving.known_tokens import LOOK_S
from serving.scopes import ANYBODY, SCOPE_OF, scope_of
from tests.serving.conftest import Service

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OPEN = {"/", "/admin", "/docs", "/docs.json", "/schema.json", "/page/{asset}",
        "/static_content/{path}", "/problems/{error}", "/livez", "/readyz", "/healthz"}  # fmt: skip
FRIEND, STRANGER = "https://app.example", "https://evil.example"
BURST = 12
SETTINGS = f"""[serving]
workers = 2
spare_workers = 0
origins = ["{FRIEND}/"]
user_rate = 0.0001
user_burst = {BURST}
access_log_share = 1.0
"""
BODIES = {
    "/recommend": {"user_id": "walker"},
    "/recommend/batch": {"users": ["walker", "runner"]},
    "/similar": {"video_id": "v000"},
    "/search": {"query": "video"},
    "/noop": {},
    "/feedback": {"events": [{"user_id": "walker", "video_id": "v000", "event": "view"}]},
    "/identify": {"user_id": "walker", "person_id": "person"},
    "/videos/{video_id}": {"hidden": False},
    "/admin/uploads/{upload_id}": {"title": "walked"},
}
NAMES = {"video_id": "walked", "request_id": "walked", "asset": "app.js", "error": "no_token",
         "path": "walked", "upload_id": "walked0123456789"}  # fmt: skip


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk")
    (folder / "kinoloop.toml").write_text(SETTINGS)
    return Environment(state_dir=folder / "state", settings_file=folder / "kinoloop.toml")


@pytest.fixture(scope="module")
def tokens(environment):
    """A token of each scope, an expired one of all scopes, and one that was never made."""
    now, found = datetime.now(UTC), {}
    for scope in SCOPES:
        found[scope], made = new_token(scope, [scope], now=now)
        add_token(tokens_file(environment), made)
    past = now - timedelta(seconds=1)
    found["expired"], made = new_token("expired", SCOPES, now=past, expires=past)
    add_token(tokens_file(environment), made)
    found["unknown"], _ = new_token("unknown", SCOPES, now=now)
    return found


@pytest.fixture(scope="module")
def guarded(environment, tokens, bundle):
    settings = {"KINOLOOP_SETTINGS_FILE": str(environment.settings_file)}
    with running(environment.state_dir, bundle=bundle, **settings) as url:
        yield Service(url, environment.state_dir)


@pytest.fixture
def send(guarded):
    """Ask over one connection, and so one worker, whatever the client library thinks of it."""
    connection = http.client.HTTPConnection(urlsplit(guarded.url).netloc, timeout=600)

    def ask(method, path, body=None, token=None, **headers):
        content = None if body is None else json.dumps(body).encode()
        if body is not None:
            headers["content-type"] = "application/json"
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        raw = answer.read()
        told = {name.lower(): value for name, value in answer.getheaders()}
        parsed = json.loads(raw) if raw and "json" in told.get("content-type", "") else raw
        return answer.status, parsed, told

    yield ask
    connection.close()


def routes_of(application):
    """Path template and methods of an application's routes and of what is mounted in it."""
    for route in application.routes:
        if not isinstance(route, Mount):
            template = getattr(route, "path_format", route.path)
            yield re.sub(r":path}", "}", template), set(route.methods) - {"HEAD"}
        elif getattr(route.app, "routes", None):
            yield from routes_of(route.app)
        else:
            yield f"{route.path}/{{path}}", {"GET"}


def every_route(send):
    """Methods by path template, of the OpenAPI document and of the application."""
    from serving.service import Kinoloop

    found = {}
    for path, methods in routes_of(Kinoloop.to_asgi(is_main=True)):
        found.setdefault(path, set()).update(methods)
    for path, item in send("GET", "/docs.json")[1]["paths"].items():
        found.setdefault(path, set()).update(method.upper() for method in item)
    return dict(sorted(found.items()))


def test_the_table_of_scopes_has_every_route_and_opens_only_what_is_listed_here(send):
    assert every_route(send) == {path: set(SCOPE_OF[path]) for path in sorted(SCOPE_OF)}
    assert {path for path, scopes in SCOPE_OF.items() if ANYBODY in scopes.values()} == OPEN
    for path, item in send("GET", "/docs.json")[1]["paths"].items():
        for method, operation in item.items():
            scope = scope_of(method.upper(), path)
            wanted = None if scope == ANYBODY else [{"token": [scope]}]
            assert operation.get("security") == wanted, (method, path)
            if wanted:
                assert {"401", "403", "429"} <= set(operation["responses"])


def test_every_route_asks_for_the_token_of_its_scope(send, tokens, guarded):
    for template in every_route(send):
        path = template.format(**NAMES)
        for method in METHODS:
            scope, body = scope_of(method, template), BODIES.get(template)
            body = body if method in {"POST", "PATCH"} else None
            at = f"{method} {template}"
            if template in OPEN:
                assert send(method, path)[0] not in {401, 403}, at
                continue
            _is_refused(send(method, path, body), 401, "no_token", at)
            for name in ("unknown", "expired"):
                _is_refused(send(method, path, body, tokens[name]), 401, "bad_token", at)
            for name in SCOPES:
                answer = send(method, path, body, tokens[name])
                if scope is None:  # no such method; admin gets through to where it is said
                    assert answer[0] in {404, 405}, at
                elif name == scope:
                    assert answer[0] in {200, 404}, at
                else:
                    _is_refused(answer, 403, "wrong_scope", at)
    _is_refused(send("GET", "/no/such/path"), 401, "no_token", "an unknown path")
    counted = send("GET", "/metrics", token=tokens["metrics"])[1].decode()
    for reason in ("no_token", "unknown_token", "expired_token", "wrong_scope"):
        assert f'kinoloop_refused_total{{reason="{reason}"}}' in counted
    log = (guarded.folder / "service.log").read_text()
    assert '"status": 403' in log  # it does tell what was refused
    assert [name for name, secret in tokens.items() if secret in log or secret in counted] == []
    assert "open to whoever has one of 4 tokens" in log  # and one that has expired


def _is_refused(answer, status, error, at):
    got, problem, told = answer
    assert got == status, (at, answer)
    assert told["www-authenticate"].startswith('Bearer realm="kinoloop"'), at
    assert told["content-type"] == "application/problem+json", at
    if not at.startswith("HEAD"):
        assert problem["error"] == error, at


def test_a_page_of_a_named_origin_asks_with_its_token_and_reads_refusals(send, tokens):
    asks = {"access-control-request-method": "DELETE",
            "access-control-request-headers": "authorization,content-type"}  # fmt: skip
    for path in ("/recommend", "/videos/v000"):
        status, _, told = send("OPTIONS", path, origin=FRIEND, **asks)
        assert (status, told["access-control-allow-origin"]) == (200, FRIEND)
        assert "authorization" in told["access-control-allow-headers"].lower()
        assert "DELETE" in told["access-control-allow-methods"]
        status, _, told = send("OPTIONS", path, origin=STRANGER, **asks)
        assert status == 400
        assert "access-control-allow-origin" not in told
    for token, status in ((tokens["recommend"], 200), (tokens["unknown"], 401)):
        got, _, told = send("GET", "/about", token=token, origin=FRIEND)
        assert (got, told["access-control-allow-origin"]) == (status, FRIEND)
        assert "access-control-allow-credentials" not in told
    assert "www-authenticate" in told["access-control-expose-headers"].lower()
    got, problem, told = send("GET", "/about", token=tokens["recommend"], origin=STRANGER)
    assert (got, problem["error"]) == (403, "foreign_origin")


def test_a_user_who_asks_too_often_is_told_when_to_come_back(send, tokens):
    busy = {"user_id": "busy"}
    answers = [send("POST", "/recommend", busy, tokens["recommend"]) for _ in range(BURST + 1)]
    assert [status for status, *_ in answers] == [200] * BURST + [429]
    _, problem, told = answers[-1]
    assert problem["error"] == "too_often"
    assert int(told["retry-after"]) > 0
    event = {"user_id": "busy", "video_id": "v000", "event": "view"}
    assert send("POST", "/feedback", {"events": [event]}, tokens["feedback"])[0] == 429
    assert send("POST", "/recommend", {"user_id": "idle"}, tokens["recommend"])[0] == 200


def test_of_a_batch_each_user_counts_and_is_refused_alone(send, tokens):
    body = {"users": [*["crowded"] * (BURST + 1), "lonely"], "top_k": 1}
    answers = send("POST", "/recommend/batch", body, tokens["recommend"])[1]["answers"]
    assert [one.get("error") for one in answers] == [*[None] * BURST, "too_often", None]


def test_the_python_client_carries_a_token_and_tells_what_it_does_not_open(guarded, tokens):
    with Client(guarded.url, token=tokens["recommend"]) as client:
        assert client.recommend("client-of-the-walk").slate
        with pytest.raises(RefusedError, match="403 wrong_scope: the token does not open this"):
            client.feedback([{"user_id": "u", "video_id": "v000", "event": "like"}])
    with Client(guarded.url) as client, pytest.raises(RefusedError, match="401 no_token"):
        client.about()


def test_a_token_that_is_made_or_revoked_counts_at_every_worker(environment, guarded, monkeypatch):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(environment.state_dir))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(environment.settings_file))
    made = CliRunner().invoke(app, ["token", "create", "guest", "-s", "recommend"])
    held = {"headers": {"Authorization": f"Bearer {made.stdout.strip()}"}}

    def statuses():
        time.sleep(LOOK_S)  # the promise
        return {guarded.ask("/about", **held).status for _ in range(10)}  # whichever worker answers

    assert statuses() == {200}
    assert CliRunner().invoke(app, ["token", "revoke", "guest"]).exit_code == 0
    assert statuses() == {401}


def test_the_commands_of_the_installation_ask_without_further_ado(
    environment, guarded, monkeypatch
):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(environment.state_dir))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(environment.settings_file))
    monkeypatch.setenv("KINOLOOP_SERVICE_PORT", guarded.url.rpartition(":")[2])
    monkeypatch.setenv("COLUMNS", "160")
    result = CliRunner().invoke(app, ["search", "video", "-k", "2"])
    assert result.exit_code == 0, result.exception
    assert "answered by http://127.0.0.1" in result.output
    monkeypatch.setenv("KINOLOOP_TOKEN", "kl_wrong")
    result = CliRunner().invoke(app, ["search", "video"])
    assert "the token is unknown" in str(result.exception)
    assert "kl_wrong" not in str(result.exception)
