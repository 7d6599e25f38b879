"""Who waits, who is refused, and that no clock has a say in it."""

import asyncio
import itertools

from serving.admission import CALM, WINDOW, Admission
from serving.problems import Problem


async def rest():
    for _ in range(10):
        await asyncio.sleep(0)


class Work:
    """Requests that take as long as the test says."""

    def __init__(self, longest=8, longest_overloaded=2):
        self.admission = Admission(longest=longest, longest_overloaded=longest_overloaded)
        self.started, self.refused = [], []

    async def answer(self, name):
        try:
            async with self.admission.turn():
                self.started.append(name)
        except Problem as problem:
            refusal = f"{problem.status} {problem.body['error']}"
            self.refused.append((name, refusal, problem.headers["Retry-After"]))


def test_requests_start_in_order_one_at_a_time():
    async def run():
        work = Work()
        tasks = [asyncio.create_task(work.answer(name)) for name in range(6)]
        seen = []
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            seen.append(len(work.started))
        return work.started, seen

    started, seen = asyncio.run(run())
    assert started == list(range(6))
    assert all(later - before <= 1 for before, later in itertools.pairwise(seen))


def test_one_more_than_may_wait_is_refused_at_once():
    async def run():
        work = Work(longest=3)
        await asyncio.gather(*(work.answer(name) for name in range(10)))
        return work

    work = asyncio.run(run())
    assert work.started == [0, 1, 2, 3]
    assert work.refused == [(name, "429 overloaded", "1") for name in range(4, 10)]


def test_overload_cuts_the_queue_and_ends_when_nobody_waits():
    async def run():
        work = Work(longest=WINDOW, longest_overloaded=2)
        crowd = [asyncio.create_task(work.answer(name)) for name in range(WINDOW)]
        await asyncio.gather(*crowd)
        assert work.admission.overloaded
        assert len(work.started) == 3  # the one whose turn it was, and two that wait
        for name in range(CALM):
            await work.answer(name)
            await rest()
        return work

    work = asyncio.run(run())
    assert not work.admission.overloaded
    assert len(work.refused) == WINDOW - 3


def test_clients_that_wait_for_their_answer_are_no_overload():
    async def run():
        work = Work(longest=64)

        async def client(name):
            for _ in range(50):
                await work.answer(name)

        await asyncio.gather(*(client(name) for name in range(32)))
        return work

    work = asyncio.run(run())
    assert work.refused == []
    assert len(work.started) == 32 * 50


def test_a_client_that_leaves_the_queue_holds_up_nobody():
    async def run():
        work = Work()
        tasks = [asyncio.create_task(work.answer(name)) for name in range(4)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await rest()
        await work.answer("later")
        return work

    assert asyncio.run(run()).started == [0, 3, "later"]


def test_what_waits_for_the_disk_does_not_hold_up_the_next():
    async def run():
        admission, disk, started = Admission(longest=9, longest_overloaded=2), asyncio.Event(), []

        async def feedback(name):
            async with admission.turn():
                started.append(name)
                await disk.wait()

        tasks = [asyncio.create_task(feedback(name)) for name in range(5)]
        await rest()
        await rest()
        together = list(started)
        disk.set()
        await asyncio.gather(*tasks)
        return together

    assert asyncio.run(run()) == list(range(5))


def test_a_request_that_fails_passes_its_turn_on():
    async def run():
        admission = Admission(longest=9, longest_overloaded=2)

        async def fails():
            async with admission.turn():
                raise ValueError

        failed = await asyncio.gather(*(fails() for _ in range(5)), return_exceptions=True)
        return [type(error) for error in failed]

    assert asyncio.run(run()) == [ValueError] * 5
