"""Answers for many users in one request: as single ones, each by itself, and nobody waits."""

import asyncio

import pytest

from kinoloop.client import Client, Slate
from kinoloop.data.situations import NOWHERE
from kinoloop.errors import RefusedError
from kinoloop.release.given import EVERYTHING
from serving import batch
from serving.admission import Admission
from serving.answers import Asker
from serving.asking import Wish
from serving.batch import BATCHES, Batches
from serving.bodies import GoneError
from serving.problems import Problem, Waiting, no_release
from serving.recommending import Recommending

USERS = [f"u{n:03d}" for n in range(30, 40)]
WISH = Wish(3, None, [], include_seen=False, situation=NOWHERE, filters=EVERYTHING)


@pytest.mark.parametrize(
    ("number", "body"),
    [
        (0, {"top_k": 7}),
        (1, {"top_k": 40, "include_seen": True, "exclude": ["v001"], "surface": "mail"}),
        (2, {"filters": {"category": "football"}, "device": "tv", "context": {"n": 1}}),
    ],
)
def test_each_user_gets_the_slate_of_a_single_request(service, number, body):
    live = [f"batch-{number}-{n}" for n in range(5)]  # nobody was shown so much that it cools down
    events = [{"user_id": u, "video_id": f"v{n:03d}", "event": "like"} for n, u in enumerate(live)]
    assert service.ask("/feedback", {"events": events}).body["accepted"] == 5
    users = [*live, *USERS[number::3], f" batch-{number}-0 ", 70 + number]
    answers = service.ask("/recommend/batch", {"users": users, **body}).body["answers"]
    assert len({answer["request_id"] for answer in answers}) == len(users)
    for user, answer in zip(users, answers, strict=True):
        single = service.ask("/recommend", {"user_id": user, **body}).body
        named = {"request_id", "cursor"}
        assert {k: v for k, v in answer.items() if k not in named} == {
            k: v for k, v in single.items() if k not in named
        }
        assert ("cursor" in answer) == ("cursor" in single)


def test_an_answer_is_on_record_and_has_a_next_page(service):
    (answer,) = service.ask("/recommend/batch", {"users": ["batch-1"], "top_k": 3}).body["answers"]
    shown = [place["video_id"] for place in answer["slate"]]
    assert service.ask(f"/lineage/{answer['request_id']}").body["videos"] == shown
    body = {"user_id": "batch-1", "top_k": 3, "cursor": answer["cursor"]}
    page = service.ask("/recommend", body).body["slate"]
    assert not {place["video_id"] for place in page} & set(shown)


def test_what_is_wrong_with_one_user_is_that_users_answer(service):
    users = ["u000", 7.5, "", " \t", {"id": 1}, "u" * 2049, "u001"]
    answers = service.ask("/recommend/batch", {"users": users, "top_k": 2}).body["answers"]
    assert [len(answer.get("slate", ())) for answer in answers] == [2, 0, 0, 0, 0, 0, 2]
    for position, answer in [*enumerate(answers)][1:-1]:
        assert answer["status"] == 422
        assert answer["what"] == f"users.{position} is wrong"
        assert answer["next_step"] == "correct this user; the others are answered"
    counted = service.ask("/metrics").body
    assert 'kinoloop_batch_users_total{outcome="failed"}' in counted
    assert 'kinoloop_requests_total{route="/recommend/batch",status="200"}' in counted


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"users": []}, 422, "users is wrong"),
        ({"users": ["u"] * 1001}, 422, "users is wrong"),
        ({"users": "u1"}, 422, "users is wrong"),
        ({"users": ["u"], "top_k": 101}, 422, "top_k is wrong"),
        ({"users": ["u"], "history": ["v001"]}, 422, "no field history"),
        ({"users": ["u"], "filters": {"colour": "red"}}, 404, "no video of the release"),
        ({"users": ["u" * 70] * 1000}, 413, "too large"),
    ],
)
def test_what_is_wrong_for_all_is_refused_as_a_whole(service, body, status, says):
    answer = service.ask("/recommend/batch", body)
    assert (answer.status, says in answer.body["what"]) == (status, True)


def test_the_client_asks_for_any_number(service):
    with Client(service.url) as client:
        users = [*USERS, "", *USERS]
        answers = [*client.recommend_many(users, per_request=7, top_k=2)]
    assert [len(one.slate) for one in answers if isinstance(one, Slate)] == [2] * 20
    (refused,) = (one for one in answers if isinstance(one, RefusedError))
    assert answers.index(refused) == 10


def test_requests_that_come_meanwhile_go_first_and_a_long_work_gets_on_all_the_same():
    async def run():
        admission, log, over = Admission(longest=64, longest_overloaded=64), [], False

        async def work(pieces):
            async with admission.turn():
                for _ in range(pieces):
                    await admission.give_way()
                    log.append("piece")

        async def request(name):
            async with admission.turn():
                log.append(name)

        async def asking():  # again at once, as long as the work goes on
            while not over:
                await request("other")

        task = asyncio.create_task(work(40))
        for number in range(20):
            await asyncio.sleep(0)
            before = len(log)
            await request(number)
            assert log[before:].count("piece") <= 1
        await task
        log.clear()
        crowd = [asyncio.create_task(asking()) for _ in range(30)]
        await work(10)
        over = True
        await asyncio.gather(*crowd)
        return log

    log = asyncio.run(run())
    gaps = " ".join(log).split("piece")[1:-1]
    assert min(gap.count("other") for gap in gaps) >= 4
    assert log.count("piece") == 10


def test_a_client_that_reads_nothing_keeps_no_place(monkeypatch):
    monkeypatch.setattr(batch, "SEND_S", 0.05)
    begun, ended = [], []

    async def parts():
        try:
            for number in range(10):
                begun.append(number)
                yield "part"
        finally:
            ended.append(True)

    async def send(message):
        if message.get("body"):
            await asyncio.Event().wait()  # what was sent fills the buffers of the connection

    async def run():
        stream = batch.Stream(parts())
        await stream.stream_response(send)

    with pytest.raises(GoneError):
        asyncio.run(run())
    assert (begun, ended) == ([0], [True])


def test_one_batch_too_many_is_refused_and_a_release_that_went_is_told_to_each_user():
    def required(_):
        raise no_release(Waiting("no_release"))

    async def run():
        nothing = Recommending(required, str, asking=None, records=None, budget_ms=1.0)
        one = Admission(longest=1, longest_overloaded=1)
        batches = Batches(nothing, one, charge=str)
        streams = [batches.answer(["a", "b"], WISH, Asker()).body_iterator for _ in range(BATCHES)]
        first = [await anext(stream) for stream in streams]
        with pytest.raises(Problem, match="more requests come than the service can answer"):
            batches.answer(["a"], WISH, Asker())
        rest = [[part async for part in stream] for stream in streams]
        batches.answer(["a"], WISH, Asker())
        return first[0] + b"".join(rest[0])

    assert asyncio.run(run()).count(b'"error":"no_release"') == 2
