import contextlib
import resource
import socket
import subprocess
import sys

import pytest

from serving.connections import BURST, RESERVED, Connections


class Held:
    """A connection that somebody holds open."""

    def __init__(self):
        self.dropped = False
        self.ours, self.client = socket.socketpair()
        self.transport = self

    def get_extra_info(self, name):
        return {"socket": self.ours}[name]

    def drop(self):
        self.dropped = True


@pytest.fixture
def hold():
    """Makes connections, and closes them at the end."""
    with contextlib.ExitStack() as made:

        def make():
            one = Held()
            made.enter_context(one.ours)
            made.enter_context(one.client)
            return one

        yield make


def test_the_one_that_is_idle_for_longest_makes_room(hold):
    connections, held = Connections(3), [hold() for _ in range(4)]
    for one in held[:3]:
        assert connections.admit(one)
    connections.busy(held[0])
    assert connections.admit(held[3])
    assert [one.dropped for one in held] == [False, True, False, False]
    assert connections.open == {held[0], held[2], held[3]}


def test_idle_counts_from_the_end_of_the_last_request(hold):
    connections, first, second = Connections(2), hold(), hold()
    connections.admit(first)
    connections.admit(second)
    connections.busy(first)
    connections.idle(first)
    connections.admit(hold())
    assert (first.dropped, second.dropped) == (False, True)


def test_who_is_being_answered_is_not_dropped(hold):
    connections, held = Connections(2), [hold(), hold()]
    for one in held:
        connections.admit(one)
        connections.busy(one)
    assert not connections.admit(hold())
    assert not any(one.dropped for one in held)
    connections.forget(held[0])
    assert connections.admit(hold())


def test_who_has_asked_and_was_not_read_yet_is_not_idle(hold):
    connections, held = Connections(3), [hold() for _ in range(4)]
    asked, _, second, third = held
    for one in held[:3]:
        connections.admit(one)
    asked.client.sendall(b"POST /recommend")
    assert connections.admit(third)
    assert [one.dropped for one in held] == [False, True, False, False]
    second.client.sendall(b"POST /recommend")
    third.client.sendall(b"POST /recommend")
    more = [hold() for _ in range(BURST)]
    for one in more:
        one.client.sendall(b"POST /recommend")
        assert connections.admit(one)
    assert not connections.admit(hold())
    assert not any(one.dropped for one in (asked, second, third, *more))


def test_descriptors_are_left_for_the_state_and_the_export():
    said = subprocess.run(
        [sys.executable, "-c", "from serving.connections import Connections as C\n"
         "import resource; print(C(100_000).most, resource.getrlimit(resource.RLIMIT_NOFILE)[0])"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, 600)),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == [str(600 - RESERVED), "600"]
    assert "at most 344 connections" in said.stderr
