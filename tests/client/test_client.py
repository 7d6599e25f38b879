"""Both clients against a server that fails in every way: what is sent again, and what never is."""

import asyncio
import json
import math
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from kinoloop import __version__
from kinoloop.client import AsyncClient, Client, FeedbackReceipt, Retries, Slate
from kinoloop.errors import (
    ConfigError,
    DataError,
    RefusedError,
    ServiceError,
    UnavailableError,
)
from kinoloop.testing.service import free_port
from tests.client.scripted import DROP, HANG, RECEIPT, SLATE, Reply, problem, scripted

AT_ONCE = Retries(first_s=0.001)
EVENT = {"user_id": "u", "video_id": "v", "event": "like"}
NOW = {"Retry-After": "0"}


def _sync(url, method, *words, **options):
    told = {name: options.pop(name) for name in ("timeout_s", "token") if name in options}
    with Client(url, retries=AT_ONCE, **told) as client:
        return getattr(client, method)(*words, **options)


def _async(url, method, *words, **options):
    async def ask():
        told = {name: options.pop(name) for name in ("timeout_s", "token") if name in options}
        async with AsyncClient(url, retries=AT_ONCE, **told) as client:
            return await getattr(client, method)(*words, **options)

    return asyncio.run(ask())


@pytest.fixture(params=[_sync, _async], ids=["sync", "async"])
def ask(request):
    return request.param


def test_says_only_what_was_said_and_reads_the_answer(ask):
    place = {"video_id": "v", "score": 0.5, "title": "t", "reason": "r", "new_field": 1}
    with scripted(Reply(body={**SLATE, "slate": [place], "cursor": "r"})) as server:
        slate = ask(server.url, "recommend", "u", top_k=3, device=None, token="secret")
    assert isinstance(slate, Slate)
    assert (slate.video_ids, slate.cursor, slate.reranked) == (["v"], "r", None)
    assert slate.slate[0].score == 0.5
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/recommend")
    assert json.loads(seen.body) == {"user_id": "u", "top_k": 3}
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["authorization"] == "Bearer secret"
    assert seen.headers["user-agent"] == f"kinoloop/{__version__}"
    with pytest.raises(ValueError, match="frozen"):
        slate.cursor = None


@pytest.mark.parametrize("refusal", [problem(503, "overloaded", **NOW), Reply(429, b"", NOW)])
def test_what_was_refused_unheard_is_sent_again(ask, refusal):
    with scripted(refusal, refusal, Reply(body=SLATE)) as server:
        assert ask(server.url, "recommend", "u").request_id == "r"
    assert len(server.seen) == 3
    with scripted(*[refusal] * 3) as server, pytest.raises(UnavailableError) as told:
        ask(server.url, "search", "a dog")
    assert (len(server.seen), told.value.status) == (3, refusal.status)
    assert told.value.retry_after_s == 0


@pytest.mark.parametrize(
    "lost",
    [DROP, problem(500, "internal"), Reply(502), Reply(504), Reply(503, b"", {}, "text/html")],
)
def test_what_may_have_taken_effect_is_sent_again_only_where_that_changes_nothing(ask, lost):
    for method, words in (("recommend", "u"), ("similar", "v"), ("search", "w")):
        with scripted(lost, Reply(body=SLATE)) as server, pytest.raises(ServiceError):
            ask(server.url, method, words)
        assert len(server.seen) == 1
    with scripted(lost, lost, Reply(body=RECEIPT)) as server:
        receipt = ask(server.url, "feedback", [EVENT, {**EVENT, "event_id": "mine"}])
    assert receipt == FeedbackReceipt(accepted=1, held=0, rejected=0, reasons=())
    first, *again = server.seen
    assert [one.body for one in again] == [first.body] * 2
    named, mine = json.loads(first.body)["events"]
    assert mine["event_id"] == "mine" != named["event_id"]
    assert datetime.fromisoformat(named["timestamp"]).tzinfo == UTC
    with scripted(lost, Reply(body=RECEIPT)) as server:
        ask(server.url, "identify", "device", "person")
    assert server.seen[0].body == server.seen[1].body
    with scripted(lost, lost, lost) as server, pytest.raises(ServiceError):
        ask(server.url, "about")
    assert len(server.seen) == 3


def test_a_slate_whose_answer_was_lost_says_that_it_was_not_asked_for_again(ask):
    with scripted(HANG) as server, pytest.raises(UnavailableError) as told:
        ask(server.url, "recommend", "u", timeout_s=0.3)
    assert told.value.error == "timed_out"
    assert "it may have been answered, so it was not sent again" in str(told.value)


def test_a_wait_that_is_too_long_is_told_and_not_waited(ask):
    refusal = problem(503, "no_release", **{"Retry-After": "3600"})
    with scripted(refusal) as server, pytest.raises(UnavailableError) as told:
        ask(server.url, "recommend", "u")
    assert (told.value.retry_after_s, len(server.seen)) == (3600, 1)


def test_a_refusal_says_what_where_and_what_next_and_is_final(ask):
    with scripted(problem(422, "invalid_request")) as server, pytest.raises(RefusedError) as told:
        ask(server.url, "feedback", [EVENT])
    assert str(told.value) == (
        f"POST {server.url}/feedback: 422 invalid_request: it is wrong: got 'x'; expected y; mend"
    )
    assert (told.value.status, told.value.error, told.value.next_step) == (
        422,
        "invalid_request",
        "mend",
    )
    assert isinstance(told.value, ValueError)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>", kind="text/html"),
        Reply(200, {"slate": 3}),
        Reply(404, b"nothing", kind="text/plain"),
        Reply(302, b"", {"Location": "/elsewhere"}, "text/plain"),
    ],
)
def test_what_is_not_the_service_is_named_so(ask, reply):
    with scripted(reply) as server, pytest.raises(ServiceError, match="not_the_service") as told:
        ask(server.url, "recommend", "u")
    assert not isinstance(told.value, RefusedError | UnavailableError)
    assert len(server.seen) == 1


def test_nobody_at_the_address_is_told_with_the_next_step(ask):
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnavailableError, match=r"no answer: .*; see that the service runs"):
        ask(url, "recommend", "u")
    assert ask(url, "ready") is False


def test_ready_asks_once(ask):
    with scripted(problem(503, "no_release", **NOW), Reply(200, b"ready\n")) as server:
        assert ask(server.url, "ready") is False
        assert ask(server.url, "ready") is True


@pytest.mark.parametrize(
    ("video_id", "path"),
    [("a/b c", "/videos/a%2Fb%20c"), ("..", "/videos/?video_id=.."), ("é?", "/videos/%C3%A9%3F")],
)
def test_an_id_reaches_the_service_whatever_is_in_it(ask, video_id, path):
    with scripted(Reply(body={"video_id": video_id})) as server:
        assert ask(server.url, "video", video_id).video_id == video_id
    assert server.seen[0].path == path


def test_what_is_no_request_is_told_before_it_is_sent(ask):
    naive = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    with scripted() as server:
        with pytest.raises(DataError, match="event 1: timestamp 2026-01-01T00:00:00 has no time"):
            ask(server.url, "feedback", [EVENT, {**EVENT, "timestamp": naive}])
        with pytest.raises(DataError, match="the request is not JSON"):
            ask(server.url, "feedback", [{**EVENT, "watch_s": math.nan}])
        with pytest.raises(DataError, match="the request is not JSON"):
            ask(server.url, "search", "\ud800")
    assert not server.seen
    wrong = ("ftp://:hunter2@x", "http://:hunter2@x[", "http://:hunter2@\u2100", "http:/:hunter2@x")
    for url in ("127.0.0.1:3000", "ftp://x", "http://", "http://x?y=1", *wrong):
        with pytest.raises(ConfigError, match="is not the address of a service") as told:
            ask(url, "about")
        assert "hunter2" not in str(told.value)


def _many(ask, url, users, **options):
    if ask is _sync:
        with Client(url, retries=AT_ONCE) as client:
            return [*client.recommend_many(users, **options)]

    async def collect():
        async with AsyncClient(url, retries=AT_ONCE) as client:
            return [one async for one in client.recommend_many(users, **options)]

    return asyncio.run(collect())


def test_many_users_are_asked_for_in_pieces_and_answered_in_order(ask):
    wrong = {**problem(422, "invalid_request").body, "status": 422}
    away = {**problem(503, "no_release").body, "status": 503}
    pieces = [Reply(body={"answers": [SLATE, wrong]}), Reply(body={"answers": [away]})]
    with scripted(pieces[0], problem(503, "overloaded", **NOW), pieces[1]) as server:
        first, second, third = _many(ask, server.url, iter("abc"), per_request=2, top_k=3)
    assert isinstance(first, Slate)
    assert isinstance(second, RefusedError)
    assert "POST /recommend/batch, user 1: 422 invalid_request" in str(second)
    assert isinstance(third, UnavailableError)
    bodies = [json.loads(seen.body) for seen in server.seen]
    assert bodies == [
        {"users": ["a", "b"], "top_k": 3},
        {"users": ["c"], "top_k": 3},
        {"users": ["c"], "top_k": 3},
    ]


@pytest.mark.parametrize("body", [{"answers": [SLATE]}, [SLATE, SLATE], {"answers": [SLATE, 1]}])
def test_answers_that_are_none_or_too_few_are_named_so(ask, body):
    with scripted(Reply(body=body)) as server, pytest.raises(ServiceError, match="not_the_service"):
        _many(ask, server.url, ["a", "b"])


def test_slates_of_many_that_were_lost_are_not_asked_for_again(ask):
    with scripted(DROP) as server, pytest.raises(UnavailableError, match="it may have been answ"):
        _many(ask, server.url, ["a", "b"])
    assert len(server.seen) == 1
    with scripted() as server, pytest.raises(ConfigError, match="expected 1 to 1000 users"):
        _many(ask, server.url, ["a"], per_request=1001)


def test_one_connection_serves_many_requests():
    with scripted(*[Reply(body=SLATE)] * 5) as server, Client(server.url) as client:
        for _ in range(5):
            client.recommend("u")
    assert server.connections == 1


def test_importing_it_loads_neither_the_platform_nor_torch():
    heavy = {"torch", "prefect", "bentoml", "serving", "polars", "numpy", "mlflow", "starlette"}
    code = f"import sys, kinoloop.client; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    code = "import sys; sys.modules['httpx'] = None; import kinoloop.client"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    told = 'kinoloop.client needs httpx, which is not installed: `pip install "kinoloop[client]"`'
    assert told in done.stderr
