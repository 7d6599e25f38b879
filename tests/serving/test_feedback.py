import asyncio
import sqlite3
import time

from serving.feedback import FeedbackWriter
from serving.state import LiveEvent, LiveState, Parcel


def events(number: int) -> tuple[list[LiveEvent], list[Parcel]]:
    event = LiveEvent(f"e{number}", "p-u", "v1", "view", None, None, 1_790_000_000 + number)
    return [event], [Parcel("u")]


def test_requests_that_wait_together_share_a_commit(tmp_path, monkeypatch):
    state = LiveState(tmp_path / "live.db")
    commits = []
    record = state.record

    def slow(events, parcels):
        commits.append(len(events))
        time.sleep(0.05)
        return record(events, parcels)

    monkeypatch.setattr(state, "record", slow)
    writer = FeedbackWriter(state)

    async def many():
        await asyncio.gather(*(writer.write(*events(n)) for n in range(20)))

    asyncio.run(many())
    assert sum(commits) == 20
    assert len(commits) <= 3
    assert len(state.events_of("p-u", at_most=100)) == 20
    writer.close()


def test_a_write_that_fails_is_told_to_every_request_of_the_group(tmp_path, monkeypatch):
    state = LiveState(tmp_path / "live.db")

    def fails(events, parcels):
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr(state, "record", fails)
    writer = FeedbackWriter(state)

    async def two():
        return await asyncio.gather(
            writer.write(*events(1)), writer.write(*events(2)), return_exceptions=True
        )

    assert [str(error) for error in asyncio.run(two())] == ["disk is full"] * 2
    writer.close()
