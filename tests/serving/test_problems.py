"""Problems as RFC 9457 has them: one table of types, one form, whoever answers."""

import ast
from pathlib import Path
from typing import get_args

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

import serving
from serving.one_form import OneForm
from serving.problem_types import PROBLEM_TYPES
from serving.problems import EXPECTED, MEDIA_TYPE, Problem, Why

STANDARD = ("type", "title", "status", "detail")
OURS = ("error", "what", "got", "expected", "next_step")
FRIEND = "https://app.example"


def _codes() -> set[str]:
    """Codes that the service's source answers with."""
    found = {*get_args(Why), *(kind.__name__ for kind in EXPECTED)}
    for path in Path(serving.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Problem"), args=[ast.Constant(value=code), *_]):
                    found.add(code)
    return found


def test_every_code_has_a_row_in_the_table_of_types_and_every_row_is_answered():
    assert _codes() == set(PROBLEM_TYPES)
    titles = [kind.title for kind in PROBLEM_TYPES.values()]
    assert len(set(titles)) == len(titles)
    assert all(kind.status >= 400 for kind in PROBLEM_TYPES.values())


def test_a_problem_carries_the_members_of_rfc_9457_beside_ours():
    body = Problem(
        "unknown_video", "no such video", got="v9", expected="a known one", next_step="look it up"
    ).body
    assert list(body) == [*STANDARD, *OURS]
    assert (body["type"], body["status"]) == ("/problems/unknown_video", 404)
    assert body["detail"] == "no such video: got 'v9'; expected a known one; look it up"


def _app() -> OneForm:
    def answers(response):
        async def endpoint(_):
            return response

        return endpoint

    async def pieces():
        yield b"not "
        yield b"ready"

    routes = [
        Route("/late", answers(JSONResponse({"error": "15 seconds"}, 504))),
        Route("/broken", answers(JSONResponse({"error": "secret"}, 500))),
        Route("/many", answers(PlainTextResponse("slow", 429, {"x-kept": "1"}))),
        Route("/fine", answers(PlainTextResponse("fine"))),
        Route("/post", answers(PlainTextResponse("fine")), methods=["POST"]),
        Route("/streamed", answers(StreamingResponse(pieces(), 503))),
    ]
    cors = Middleware(CORSMiddleware, allow_origins=[FRIEND])
    return OneForm(Starlette(routes=routes, middleware=[cors]))


def _ask(method: str, path: str, **headers: str) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, headers=headers)

    return anyio.run(asked)


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nowhere", 404, "unknown_path"),
        ("GET", "/post", 405, "wrong_method"),
        ("GET", "/late", 504, "timed_out"),
        ("GET", "/broken", 500, "internal"),
        ("GET", "/many", 429, "http_429"),
        ("GET", "/streamed", 503, "http_503"),
    ],
)
def test_an_error_of_a_framework_leaves_in_our_form(method, path, status, error):
    answer = _ask(method, path, origin=FRIEND)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE)
    body = answer.json()
    assert list(body) == [*STANDARD, *OURS]
    assert (body["status"], body["error"]) == (status, error)
    assert body["type"] == (f"/problems/{error}" if error in PROBLEM_TYPES else "about:blank")
    assert "secret" not in answer.text
    assert answer.headers["access-control-allow-origin"] == FRIEND  # as CORS wrote it
    assert path != "/many" or answer.headers["x-kept"] == "1"


def test_a_refused_preflight_is_a_problem_too_and_an_answer_stays_as_it_is():
    asks = {"origin": "https://evil.example", "access-control-request-method": "GET"}
    refused = _ask("OPTIONS", "/fine", **asks)
    assert (refused.status_code, refused.json()["error"]) == (400, "http_400")
    fine = _ask("GET", "/fine")
    assert (fine.status_code, fine.text) == (200, "fine")
