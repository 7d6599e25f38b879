import asyncio
import sqlite3
import time

import numpy as np
import pytest

from kinoloop.data.ids import IdMap
from kinoloop.errors import StateError
from kinoloop.ingestion.rule import IngestConfig
from serving.event_check import EventCheck, Rejection, Videos
from serving.feedback import FeedbackWriter

VIDEOS = Videos(IdMap(["v1", "v2"]), np.array([10.0, np.nan]))
OTHER = Videos(IdMap(["w1"]), np.array([np.nan]))


def view(second: int, video: str = "v1", **more):
    at = 1_790_000_000 + second
    return {"user_id": "u", "video_id": video, "event": "view", "timestamp": at, **more}


@pytest.fixture
def writer(state):
    check = EventCheck(IngestConfig(), pseudonym=lambda user: f"p-{user}", clock_skew_s=60)
    writer = FeedbackWriter(state, check)
    yield writer
    writer.close()


@pytest.fixture
def held_up(monkeypatch, state):
    """Hold up each commit until others wait, and count what each took."""
    commits = []
    record = state.record

    def slow(events, *more):
        commits.append(len(events))
        time.sleep(0.05)
        return record(events, *more)

    monkeypatch.setattr(state, "record", slow)
    return commits


def take(writer, *requests):
    async def together():
        return await asyncio.gather(
            *(writer.take(events, videos) for events, videos in requests), return_exceptions=True
        )

    return asyncio.run(together())


def test_requests_that_wait_together_share_a_commit(writer, state, held_up):
    receipts = take(writer, *(([view(n)], VIDEOS) for n in range(20)))
    assert receipts == [(1, [], 0)] * 20
    assert sum(held_up) == 20
    assert len(held_up) <= 3
    assert len(state.events_of("p-u", at_most=100)) == 20


def test_each_request_gets_its_own_part_of_what_came_of_all(writer, held_up):
    requests = [
        ([view(1), view(2, watch_s=-1), view(3)], VIDEOS),
        (["no event"], VIDEOS),
        ([view(4)], VIDEOS),
        ([view(5, "gone"), view(6)], VIDEOS),
    ]
    first, second, third, fourth = take(writer, *requests)
    assert len(held_up) <= 2
    assert [(r.accepted, [w.position for w in r.rejections]) for r in (first, second)] == [
        (2, [1]), (0, [0])
    ]  # fmt: skip
    assert (third.accepted, third.rejections) == (1, [])
    assert fourth == (2, [], 1)


def test_a_request_is_held_against_the_release_that_was_in_service(writer):
    old, new, none = take(
        writer,
        ([view(1), view(2, "w1")], VIDEOS),
        ([view(3), view(4, "w1")], OTHER),
        ([view(5, "x1")], None),
    )
    assert [(one.accepted, one.held) for one in (old, new, none)] == [(2, 1), (2, 1), (1, 0)]


def test_nothing_is_committed_where_nothing_is_accepted(writer, held_up):
    (receipt,) = take(writer, ([view(1, watch_s=-1)], VIDEOS))
    assert isinstance(receipt.rejections[0], Rejection)
    assert held_up == []


def test_a_request_that_can_not_be_checked_does_not_take_others_along(writer, state, monkeypatch):
    sort_out = writer._check.sort_out

    def breaks(events, videos):
        if any(event.get("event_id") == "poison" for event in events):
            raise ValueError("nobody thought of this")
        return sort_out(events, videos)

    monkeypatch.setattr(writer._check, "sort_out", breaks)
    good, bad, fine = take(
        writer, *(([event], VIDEOS) for event in (view(1), view(2, event_id="poison"), view(3)))
    )
    assert (good.accepted, fine.accepted) == (1, 1)
    assert str(bad) == "nobody thought of this"
    assert len(state.events_of("p-u", at_most=9)) == 2


@pytest.mark.parametrize("error", [sqlite3.OperationalError, StateError])
def test_a_write_that_fails_is_reported_to_every_request_of_the_group(
    writer, state, monkeypatch, error
):
    def fails(*_):
        raise error("disk is full")

    monkeypatch.setattr(state, "record", fails)
    outcomes = take(writer, ([view(1)], VIDEOS), ([view(2)], VIDEOS))
    assert [str(error) for error in outcomes] == ["disk is full"] * 2
